"""The rules: values in, values out. Nothing here touches a file, a clock, a socket or a database."""
