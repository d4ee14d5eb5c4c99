"""Server-rendered pages for visitors and administrators."""
