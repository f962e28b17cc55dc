"""The part of Python's pickle that PyTorch files need; it cannot run anything.

`pickle` itself can be made to call any function, and to allocate without bound before
it has read a byte. Here each operation is looked up in a table; those that build data
are in it, and a function is called only if the caller gave it.
"""

import pickletools
from collections.abc import Callable, Mapping

from vidzoo.arrays import UnreadableError

_MARK = object()
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES"),
    *("INT", "LONG", "FLOAT", "STRING", "UNICODE"),
}
# A byte may make an object of 100: what 10,000 tensors need is a quarter of this.
_MAX_OPERATIONS = 1_000_000
_KEYS = (str, int, float, bytes, type(None))


class _Named:
    """A function or class that the file names, and what stands in for it."""

    def __init__(self, name, stand_in):
        self.name = name
        self.stand_in = stand_in


def load(file, stand_ins: Mapping[str, object], persistent: Callable):
    """Reads one pickle.

    Args:
        file: has `read` and `readline`; is left just behind the pickle.
        stand_ins: by qualified name, what to take for the functions and classes that
            the file may name. Functions are called, other objects stay as they are.
        persistent: turns a persistent identifier into an object.

    Returns:
        What was pickled, of plain containers, numbers, text and stand-ins.

    Raises:
        UnreadableError: the pickle is damaged, or names something else.
    """
    machine = _Machine(stand_ins, persistent)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if count == _MAX_OPERATIONS:
                raise UnreadableError(
                    f"refused: its pickle has over {count} operations"
                )
            machine.step(opcode.name, argument)
    except (ValueError, IndexError, KeyError, AttributeError, TypeError) as error:
        raise UnreadableError(f"no pickle, or a damaged one: {error!r}") from error
    return machine.stack.pop()


class _Machine:
    def __init__(self, stand_ins, persistent):
        self.stand_ins = stand_ins
        self.persistent = persistent
        self.stack = []
        self.memo = {}

    def step(self, name, argument):
        if name in _LITERALS:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in ("PROTO", "FRAME", "STOP"):
            pass
        else:
            operation = getattr(self, f"_{name.lower()}", None)
            if operation is None:
                raise UnreadableError(
                    f"refused: its pickle uses {name}, which weights do not need"
                )
            operation(argument)

    def _take(self, kind=object):
        value = self.stack.pop()
        if value is _MARK or not isinstance(value, kind):
            raise UnreadableError("a damaged pickle: a value of another kind expected")
        return value

    def _take_to_mark(self):
        values = []
        while (value := self.stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def _peek(self, kind):
        value = self._take(kind)
        self.stack.append(value)
        return value

    # What the file names, and calls of it

    def _global(self, argument):
        name = argument.replace(" ", ".")
        if name not in self.stand_ins:
            raise UnreadableError(
                f"refused: it asks for `{name}`, which is more than numbers; nothing "
                "of it was run. Save a state_dict of tensors alone"
            )
        self.stack.append(_Named(name, self.stand_ins[name]))

    def _stack_global(self, _):
        name, module = self._take(str), self._take(str)
        self._global(f"{module} {name}")

    def _reduce(self, _):
        arguments, named = self._take(tuple), self._take(_Named)
        if not callable(named.stand_in):
            raise UnreadableError(f"refused: it calls `{named.name}`")
        self.stack.append(named.stand_in(*arguments))

    def _build(self, _):
        """Attributes of an object; of a dictionary, they are not its content."""
        self._take()
        self._peek(dict)

    def _binpersid(self, _):
        identifier = self._take(tuple)
        self.stack.append(self.persistent(*(plain(part) for part in identifier)))

    # Containers

    def _mark(self, _):
        self.stack.append(_MARK)

    def _pop_mark(self, _):
        self._take_to_mark()

    def _empty_dict(self, _):
        self.stack.append({})

    def _empty_list(self, _):
        self.stack.append([])

    def _empty_tuple(self, _):
        self.stack.append(())

    def _tuple1(self, _):
        self.stack.append((self._take(),))

    def _tuple2(self, _):
        second, first = self._take(), self._take()
        self.stack.append((first, second))

    def _tuple3(self, _):
        third, second, first = self._take(), self._take(), self._take()
        self.stack.append((first, second, third))

    def _tuple(self, _):
        self.stack.append(tuple(self._take_to_mark()))

    def _list(self, _):
        self.stack.append(self._take_to_mark())

    def _append(self, _):
        value = self._take()
        self._peek(list).append(value)

    def _appends(self, _):
        values = self._take_to_mark()
        self._peek(list).extend(values)

    def _dict(self, _):
        items = self._take_to_mark()
        self.stack.append({})
        self._store(items)

    def _setitem(self, _):
        value, key = self._take(), self._take()
        self._store([key, value])

    def _setitems(self, _):
        self._store(self._take_to_mark())

    def _store(self, items):
        target = self._peek(dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(
                key, _KEYS
            ):  # to hash a tuple of tuples may take for ever
                raise UnreadableError("refused: a dictionary's key is no name")
            target[key] = value

    # The memo

    def _memoize(self, _):
        self.memo[len(self.memo)] = self._peek(object)

    def _binput(self, argument):
        self.memo[argument] = self._peek(object)

    _put = _long_binput = _binput

    def _binget(self, argument):
        self.stack.append(self.memo[argument])

    _get = _long_binget = _binget


def plain(value):
    """What stands in for a value that the file names, or the value itself."""
    return value.stand_in if isinstance(value, _Named) else value
