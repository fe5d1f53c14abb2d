"""`penstock completion`: the script that lets a shell complete commands, options and names of tables."""

from __future__ import annotations

import sys

import click

from penstock.cli.output import next_steps

INSTALL = {
    "bash": ("~/.bashrc", 'eval "$(penstock completion bash)"'),
    "zsh": ("~/.zshrc", 'eval "$(penstock completion zsh)"'),
    "fish": ("~/.config/fish/completions/penstock.fish", "penstock completion fish | source"),
}


@click.command("completion")
@click.argument("shell", type=click.Choice(list(INSTALL)), metavar="SHELL")
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands, options and tables in bash, zsh or fish.

    The script's first lines say where it goes.
    """
    from click.shell_completion import get_completion_class

    file, line = INSTALL[shell]
    kind = get_completion_class(shell)
    if kind is None:
        return
    script = kind(ctx.find_root().command, {}, "penstock", "_PENSTOCK_COMPLETE")
    click.echo(
        f"# Completion of penstock for {shell}. To have it in every shell, put this line into {file}:\n# {line}\n"
    )
    click.echo((script.source_template % script.source_vars()).strip())
    if sys.stdout.isatty():
        next_steps([f"put into {file}: {line}"], err=True)
