"""Run by every interpreter that finds this folder on PYTHONPATH: starts the agent, then steps out of the way.

Kept to syntax that Python 2 can read, so that an interpreter which is too old gets a line and not a traceback.
What it leaves behind is what would be there without it: the program's own sitecustomize (run once, its errors as
untraced), and `sys.path` without this folder.
"""
# Names from before: another agent's file of this name (New Relic's) found this one, and runs it in its own module.
_hosted = [name for name in list(globals()) if not name.startswith("__")]

import os
import sys


def _start(folder):
    """Start the agent; a sentence if it can't be."""
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    # With -S this runs only if the program itself imports a sitecustomize.
    if disabled or sys.flags.no_site:
        return None
    if sys.version_info < (3, 10):
        return "Python %d.%d is too old, the agent needs 3.10 or later" % sys.version_info[:2]
    if sys.implementation.name != "cpython":
        return "%s is not supported, the agent needs CPython" % sys.implementation.name
    try:
        from tracing_sitecustomize.activate import activate
    except ImportError as error:
        if error.name != "tracing_sitecustomize":
            raise
    else:
        return activate()
    # Installed by `pip install --target DIR`, the packages are beside us. They go last, so that the program's own
    # win. The site-packages of another environment are not ours to add.
    root = os.path.dirname(os.path.dirname(folder))
    above, name = os.path.split(root.lower())
    foreign = name in ("site-packages", "dist-packages") and os.path.basename(above).startswith(("python", "lib"))
    if foreign or not os.path.isdir(os.path.join(root, "tracing_agent")):
        return "tracing-agent is not installed for %s; install it there" % sys.executable
    sys.path.append(root)
    try:
        from tracing_sitecustomize.activate import activate
    except BaseException:
        sys.path.remove(root)
        raise
    return activate()


def _say(reason):
    """One line; not for what a traced program starts, which may be anything, and may have its stderr read."""
    quiet = os.environ.get("OTEL_LOG_LEVEL", "").strip().lower() in ("none", "error")
    # A traced program marks our folder by a slash for what it starts.
    mark = os.path.join("tracing_sitecustomize", "onpath", "")
    inherited = any(entry.endswith(mark) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep))
    if quiet or inherited:
        return
    try:
        sys.stderr.write("tracing-agent: warning: not tracing: %s\n" % reason)
    except Exception:
        pass


def _main():
    """Whether the program's own module of this name is to be run next."""
    folder = os.path.dirname(__file__)
    rest = [entry for entry in sys.path if entry != folder]
    if len(rest) == len(sys.path):
        return False
    sys.path[:] = rest
    try:
        reason = _start(folder)
    except (Exception, SystemExit) as error:
        reason = "%s: %s" % (type(error).__name__, str(error).replace("\n", " "))
    if reason:
        _say(reason)
    return True


if _main():
    # Held: Python 2 would clear this module's names while it still runs.
    _ours = sys.modules.pop(__name__)
    # The program's own, or the ImportError that it would get untraced (and `site` expects).
    try:
        import sitecustomize  # noqa: F401
    except ImportError:
        if not _hosted:
            raise
    if _hosted:
        sys.modules[__name__] = _ours
