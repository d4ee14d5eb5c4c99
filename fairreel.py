"""The command line: `python -m fairreel --help`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import click
from pydantic import ValidationError

from commands.outcome import EXIT_CODES, EXIT_FAILED, EXIT_UNUSABLE, exit_code
from recommender.errors import FairreelError

# Command -> module with `command` in it, imported when it is called: a child process that
# trains need not wait for what an import needs.
COMMANDS = {
    "run": "commands.run",
    "prepare": "commands.prepare",
    "announce": "commands.announce",
    "import": "commands.import_data",
    "export": "commands.export",
    "simulate": "commands.simulate",
    "train": "commands.train",
    "snapshot": "commands.snapshot",
    "evaluate": "commands.evaluate",
    "audit": "commands.audit",
    "counterfactual": "commands.counterfactual",
    "compare": "commands.compare",
    "tune": "commands.tune",
    "registry": "commands.registry",
    "keys": "commands.keys",
    "probe": "commands.probe",
    "replay-request": "commands.replay_request",
    "drift": "commands.drift",
    "backup": "commands.backup",
    "erase-user": "commands.erase_user",
    "replay": "commands.replay",
    "kafka-setup": "commands.kafka_setup",
    "config-doc": "commands.config_doc",
}


class _Commands(click.Group):
    """The table above as a group."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        found: click.Command = importlib.import_module(module).command
        return found


@click.group(
    cls=_Commands, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]}
)
def cli() -> None:
    """Fairreel: a movie recommender that audits itself.

    Settings come from the environment (FAIRREEL_...) and from .env; see docs/config.md.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors are one line on standard error. Returns the exit code."""
    try:
        result = cli.main(arguments, prog_name="fairreel", standalone_mode=False)
    except FairreelError as error:
        return _say(str(error), exit_code(error))
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or error.title}: {e['msg']}" for e in error.errors()
        )
        return _say(wrong, EXIT_UNUSABLE)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return EXIT_UNUSABLE
    except click.ClickException as error:
        return _say(error.format_message(), error.exit_code)
    except click.Abort:
        return _say("interrupted", EXIT_FAILED)
    except Exception as error:
        code = _say_known(error)
        if code is None:
            raise
        return code
    return result if isinstance(result, int) else 0


def _say_known(error: Exception) -> int | None:
    """A setting that a library refuses is wrong usage; of other failures those of the system are
    told, and None stands for mistakes of this code, to be shown whole."""
    from commands.wrong_settings import wrong_setting

    wrong = wrong_setting(error)
    if wrong is not None:
        return _say(wrong, EXIT_UNUSABLE)
    if isinstance(error, OSError):
        return _say(str(error), EXIT_FAILED)
    return None


def _say(message: str, code: int) -> int:
    click.echo("error: " + " ".join(message.split()), err=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
