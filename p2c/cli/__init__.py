"""The command line: thin commands, and the driver that `run` and `resync` share.

`p2c.cli.main` has the commands, `p2c.cli.drive` the driver, `p2c.cli.show` what people see.
"""
