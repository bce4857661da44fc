"""The public surface: a sorted `__all__`, its signatures, a docstring with a runnable example for each object."""

from __future__ import annotations

import doctest
import inspect
import subprocess
import sys

import numfmt as nf

RULES = "rounding=None, overflow=None, nan=None, profile=None, random=None"
RESULT = "fmt=None, rounding=None, overflow=None, nan=None, random=None, flags=False, tininess='after', out=None"
SIGN = "overflow=None, nan=None, flags=False, out=None"
UNARY = ("reciprocal", "rsqrt", "sqrt")
BINARY = ("add", "div", "mul", "remainder", "sub") + tuple(
    f"{name}{magnitude}{number}"
    for name in ("minimum", "maximum")
    for magnitude in ("", "_magnitude")
    for number in ("", "_number")
)
BLOCKS = "axis='default', pad=False, scale_rule=None, nonfinite=None, scales=None, tensor_scale=None"
FUSED = "fmt=None, axis=-1, rounding=None, overflow=None, random=None, width=None"
FUNCTION = "e, *, fmt=None, rounding=None, overflow=None, nan=None, flags=False, tininess='after', out=None"
FUNCTIONS = ("cbrt", "cos", "erf", "exp", "exp10", "exp2", "expm1", "gelu", "log", "log10", "log1p", "log2")
FUNCTIONS += ("sigmoid", "silu", "sin", "softplus", "tanh")
SIGNATURES = {
    **dict.fromkeys(FUNCTIONS, FUNCTION),
    **dict.fromkeys(UNARY, f"a, *, {RESULT}"),
    **dict.fromkeys(BINARY, f"a, b, *, {RESULT}"),
    **dict.fromkeys(("faa", "fma"), f"a, b, c, *, {RESULT}"),
    "absolute": f"a, *, {SIGN}",
    "cast": f"e, fmt, *, {RULES}, flags=False, tininess='after', out=None, report=False",
    "compare": "a, b, predicate='equal', *, flags=False",
    "compare_profiles": "fmt, p, q",
    "copysign": f"a, b, *, {SIGN}",
    "decode": "e, fmt=None, *, dtype=None, out=None",
    "encode": f"x, fmt, *, {RULES}, {BLOCKS}, out=None, report=False",
    "explain": "op, *operands, fmt=None, rounding=None, overflow=None, nan=None, tininess='after', got=None",
    "finfo": "fmt",
    "fused_dot": f"a, b, *, {FUSED}",
    "fused_sum": f"a, *, {FUSED}",
    "get": "name",
    "grown_format": "op, *formats",
    "load": "path",
    "names": "pattern='*', *, kind=None",
    "negate": f"a, *, {SIGN}",
    "next_down": "a, *, nan=None, flags=False, out=None",
    "next_up": "a, *, nan=None, flags=False, out=None",
    "profile_names": "",
    "quantize": f"x, fmt, *, {RULES}, {BLOCKS}, out=None, report=False",
    "register": "fmt, *, name=None, aliases=()",
    "round_to_integral": f"a, *, exact=False, {RESULT}",
    "save": "path, obj",
    "scale_rules": "",
    "swizzle": "scales, layout='nvidia_128x4'",
    "total_order": "a, b",
    "unpack": "data, fmt, *, layout=None, shape, axis='default', scales=None, tensor_scale=None, zero_points=None, "
    "offset=None, sides=None",
    "unswizzle": "data, shape, layout='nvidia_128x4'",
    "warmup": "*formats, rounding=None, overflow=None, profile=None",
}


def test_all_is_sorted_and_complete():
    assert nf.__all__ == sorted(nf.__all__)
    assert len(set(nf.__all__)) == len(nf.__all__)
    for name in nf.__all__:
        assert getattr(nf, name) is not None
    assert set(nf.__all__) <= set(dir(nf))


def test_signatures_have_not_changed():
    for name, wanted in SIGNATURES.items():
        parameters = inspect.signature(getattr(nf, name)).parameters.values()
        text = inspect.Signature([p.replace(annotation=inspect.Parameter.empty) for p in parameters])
        assert str(text) == f"({wanted})", name
    functions = {n for n in nf.__all__ if inspect.isfunction(getattr(nf, n))}
    assert functions == set(SIGNATURES)


def test_every_public_function_and_class_is_documented():
    for name in nf.__all__:
        obj = getattr(nf, name)
        if inspect.isfunction(obj) or inspect.isclass(obj):
            assert obj.__doc__, name
        if inspect.isfunction(obj):
            assert doctest.DocTestParser().get_examples(obj.__doc__), f"{name} has no example"


def test_enum_members_are_fixed():
    assert [m.name for m in nf.Overflow] == [
        "SATURATE", "NONSATURATING", "SAT_PROPAGATE", "SAT_NONE", "PTX_SATFINITE", "WRAP", "RAISE",
    ]  # fmt: skip
    for member in nf.Rounding:
        assert nf.Rounding.parse(member.name.lower()) is member


def test_import_needs_neither_numba_nor_mpmath():
    code = (
        "import sys, numfmt as nf; nf.encode([0.1], 'fp8_e4m3fn'); "
        "print([m for m in ('numba', 'mpmath') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_unknown_attribute_is_an_attribute_error():
    try:
        nf.does_not_exist  # noqa: B018
    except AttributeError as err:
        assert "does_not_exist" in str(err)
    else:
        raise AssertionError("no AttributeError")
