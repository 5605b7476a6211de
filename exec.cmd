@rem Stands in for the shells' exec when npm runs scripts with cmd.exe.
@%*
