"""Where our provider differs from the SDK's on purpose: each difference by name, with the reason.

A test asks the fixture ``deviates`` for the name; docs/compatibility.md lists the same names and reasons.
"""

from __future__ import annotations

from typing import Final

DEVIATIONS: Final = {
    "bad-limit-value": "The specification asks for a warning and the default; a typing error must not stop a program.",
    "empty-limit-value": "The specification: a variable that is set to the empty string is not set.",
    "processor-exception": "Whoever watches spans must not be able to fail the program that makes them.",
    "random-flag": "W3C Trace Context Level 2 and the specification ask for it, whatever the SDK's release.",
    "hostile-value": "An object that cannot be printed is the program's own affair; setting it must not raise.",
    "hostile-exception": "The program has to see its own exception, even one whose text cannot be had.",
}
