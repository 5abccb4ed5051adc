"""Run by every interpreter that finds this folder on PYTHONPATH: starts the agent, then steps out of the way.

Kept to syntax that Python 2 can read, so that an interpreter which is too old gets a line and not a traceback.
What it leaves behind is what would be there without it: the program's own sitecustomize (run once, its errors as
untraced), and `sys.path` without this folder.
"""
import os
import sys


def _begin(folder):
    """Start the agent; a sentence if it can't be."""
    if sys.version_info < (3, 10):
        return "Python %d.%d is too old (3.10 or later is needed)" % sys.version_info[:2]
    if sys.implementation.name != "cpython":
        return "%s is not supported (CPython is needed)" % sys.implementation.name
    try:
        try:
            from tracing_sitecustomize.activate import activate
        except ImportError:
            # Installed by `pip install --target DIR`: what is beside us goes last, so that the program's own
            # packages win. Another environment's site-packages is not ours to add.
            root = os.path.dirname(os.path.dirname(folder))
            if os.path.basename(root) in ("site-packages", "dist-packages") or root in sys.path:
                return "the agent is not installed in the environment of %s" % sys.executable
            sys.path.append(root)
            from tracing_sitecustomize.activate import activate
        return activate()
    except Exception as error:
        return "%s: %s" % (type(error).__name__, error)


def _say(reason):
    """One line, for the launched program only: its children may be anything, and may have their stderr read."""
    launched = os.environ.get("_TRACING_RUN_PID")
    if launched is None or launched == str(os.getpid()):
        try:
            sys.stderr.write("tracing-agent: warning: not tracing: %s\n" % reason)
        except Exception:
            pass


def _main():
    folder = os.path.dirname(os.path.abspath(__file__))
    ours = sys.modules.pop(__name__, None)
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != folder]
    try:
        reason = _begin(folder)
    except BaseException:
        sys.modules[__name__] = ours
        raise
    if reason:
        _say(reason)


_main()
del _main, _begin, _say
# The program's own module of this name, or the ImportError that it would get untraced (and `site` expects).
import sitecustomize  # noqa: E402,F401
