"""The groups of settings, a file each; `settings.Settings` inherits them and reads them."""
