"""The group of commands: finds the lake, loads the one command that was asked for, and says how it ended.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 something ended dead, 70 a defect of the product, 130 and 143
stopped by Ctrl-C and by SIGTERM. `up` is done when it was asked to stop and did so within its time: that is 0, too.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from penstock import __version__
from penstock.cli import output
from penstock.cli.session import Session, aws_option
from penstock.errors import PenstockError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

FAILED = 1
DEFECT = 70
COMPLETING = "_PENSTOCK_COMPLETE"
INTERRUPTED = 130

COMMANDS = {
    "init": "Make a lake from a template.",
    "check": "Validate lake.yaml; all problems at once.",
    "run": "Process every file that is new in raw/.",
    "up": "Keep the lake alive: process files as they land.",
    "query": "Ask in SQL.",
    "queries": "List the saved queries, and what each found last.",
    "tables": "List the tables.",
    "show": "Tell all about one table.",
    "why": "Say which file, line and value decided a type.",
    "quarantine": "Look at rows set aside, correct them, bring them back.",
    "dead": "Look at dead letters, try them again, give them up.",
    "status": "Say what waits and what is done.",
    "alarms": "Say which alarms there are, and how they stand.",
    "notices": "Say who is told of what, and whether it reached them.",
    "runs": "List past runs and where the rows went.",
    "logs": "Show one line per file, as it happened.",
    "schedule": "Say when workflows are due next.",
    "workflow": "Run workflows by hand, look at their runs.",
    "snapshots": "Show what tables were, and name what is to be kept.",
    "verify": "Check every file, checksum and account.",
    "maintain": "Join small files, expire snapshots, remove orphans.",
    "repair": "Rebuild the state store, mend what can be mended.",
    "synth": "Print the CloudFormation template of the lake.",
    "plan": "Show what deploying to AWS would do.",
    "deploy": "Bring the lake to AWS, or up to date there.",
    "destroy": "Remove the lake from AWS.",
    "bundle": "Build the zip that runs on AWS.",
    "cost": "Say what a month on AWS costs.",
    "schema": "Print the JSON Schema of lake.yaml, for editors.",
    "completion": "Print the script that completes in bash, zsh or fish.",
}
ON_AWS = frozenset(
    {"query", "queries", "tables", "show", "why", "quarantine", "dead", "status", "runs", "logs", "snapshots"}
)
"""Commands that can be asked of a deployed lake."""
ANYWHERE = frozenset({"init", "schema", "completion"})
"""Commands that are not about a lake that is there."""
_CALLS = re.compile(rf"(?<![\w/.-])penstock (?=({'|'.join(COMMANDS.keys() - ANYWHERE)})\b)")
EPILOG = """\
Tables and what the product knows of itself are SQL: penstock query "SELECT * FROM penstock.runs". All times are UTC.

Completion in bash: eval "$(penstock completion bash)"; zsh and fish likewise.
"""


class Commands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Names, in the order in which one needs them."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"penstock.cli.{cmd_name}").command
        if cmd_name in ON_AWS:
            _let_ask_aws(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or suggest the closest one."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=COMMANDS, ctx=ctx) from None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the commands without importing them, or else options."""
        from click.shell_completion import CompletionItem

        offered = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return [*offered, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _let_ask_aws(command: click.Command) -> None:
    """Give a command, or each of a group's, the option `--aws`, before `--help`."""
    if isinstance(command, click.Group):
        for part in command.commands.values():
            _let_ask_aws(part)
    elif not any(option.name == "aws" for option in command.params):
        command.params.append(aws_option())


def _folders(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete a folder."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="dir")]


@click.group(
    cls=Commands,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A folder with a lake.yaml is a data lake: files land in raw/, rows of tables come out, SQL asks them.",
)
@click.option(
    "-C",
    "--directory",
    metavar="DIR",
    default=".",
    shell_complete=_folders,
    help="The lake's folder; here, when left out.",
)
@click.option("--aws", is_flag=True, help="Ask the lake that was deployed to AWS.")
@click.version_option(__version__, "-V", "--version", message="penstock %(version)s")
@click.pass_context
def penstock(ctx: click.Context, directory: str, *, aws: bool) -> None:
    """Keep for the command which lake is meant."""
    session: Session = ctx.obj
    session.folder, session.aws = Path(directory), aws
    if aws and ctx.invoked_subcommand not in ON_AWS:
        message = f"penstock {ctx.invoked_subcommand} is about the lake in this folder; leave --aws out"
        raise click.UsageError(message)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and give its exit code."""
    session = Session()
    if COMPLETING in os.environ:
        return _complete(session)
    output.prepare()
    try:
        code = penstock.main(arguments, prog_name="penstock", standalone_mode=False, obj=session)
        sys.stdout.flush()
    except click.ClickException as error:
        return output.usage_error(error)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        _leave_quietly()
    except Exception as error:  # noqa: BLE001 - the last place where an error can be put into words
        return _failed(error, session)
    return code if isinstance(code, int) else 0


def _complete(session: Session) -> int:
    """Answer the shell; nobody wants to read of errors while typing."""
    with suppress(Exception):
        penstock.main([], prog_name="penstock", complete_var=COMPLETING, standalone_mode=False, obj=session)
    return FAILED


def _failed(error: Exception, session: Session) -> int:
    """Put an error into words; nothing that was to be expected shows a traceback."""
    known = _known(error)
    if known is not None:
        known.hint = pasteable(known.hint, session)
        output.error(known, as_json=session.json)
        return FAILED
    if os.environ.get("PENSTOCK_DEBUG"):
        output.say("".join(traceback.format_exception(error)), err=True)
        return DEFECT
    defect = PenstockError(
        f"{type(error).__name__}: {error}",
        where="internal error",
        hint="this is a defect of penstock; run with PENSTOCK_DEBUG=1 for the traceback",
    )
    output.error(defect, as_json=session.json)
    return DEFECT


def pasteable(text: str, session: Session) -> str:
    """A text whose commands can be called as they stand, from where one stands, for the lake that was asked."""
    return _CALLS.sub(lambda found: f"{session.call if found[1] in ON_AWS else session.here} ", text)


def _known(error: Any) -> PenstockError | None:
    if isinstance(error, PenstockError):
        return error
    if isinstance(error, OSError):
        hint = "a lake needs a folder that may be read and written"
        return PenstockError(error.strerror or str(error), where=str(error.filename or ""), hint=hint)
    if type(error).__module__ == "sqlite3":
        hint = "the lake's folder must be writable and on a disk with space left"
        return PenstockError(f"the state store or catalog cannot be used: {error}", hint=hint)
    return None


def _leave_quietly() -> NoReturn:
    """Nobody reads on: leave without a word, and without a complaint when Python flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(FAILED)
