"""The resource: what each detector makes of the files of real systems, and what whole processes send."""
