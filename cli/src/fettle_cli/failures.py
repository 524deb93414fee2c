"""How a command ends when it does not end well."""


class CliError(Exception):
    """What was asked for was refused or failed: exit status 1. The text names the thing, the rule and the way out."""


class UsageError(Exception):
    """The command line or a setting is wrong: exit status 2."""
