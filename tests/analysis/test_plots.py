"""Plots draw what the formats say; pictures themselves are looked at, not compared."""

import sys

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

import numfmt as nf
from numfmt.analysis import accuracy_curve, number_line
from numfmt.errors import ArgumentError, FormatMismatchError

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def ticks(ax):
    """Values drawn on each line: the collections are a base line and the ticks, in turn."""
    return [np.array([segment[0][0] for segment in c.get_segments()]) for c in ax.collections[1::2]]


def test_number_line_draws_every_value():
    ax = number_line("fp4_e2m1", nf.get("int4"))
    # OCP Microscaling Formats v1.0, table 5 (E2M1): 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives.
    positive = [0.5, 1, 1.5, 2, 3, 4, 6]
    float_ticks, integer_ticks = ticks(ax)
    np.testing.assert_array_equal(float_ticks, [-v for v in reversed(positive)] + [0] + positive)
    np.testing.assert_array_equal(integer_ticks, np.arange(-8, 8))
    assert [t.get_text() for t in ax.get_yticklabels()] == ["fp4_e2m1", "int4"]
    bottom, top = ax.get_ylim()
    assert bottom > top  # the first format is on top


def test_number_line_normalizes_and_keeps_positive_values_on_a_log_axis():
    ax = number_line("fp8_e4m3fn", axis="log2", normalize=True, limits=(2.0**-18, 1.0))
    (values,) = ticks(ax)
    assert values.size == 126 and values[0] == 2.0**-9 / 448 and values[-1] == 1.0
    assert ax.get_xscale() == "log" and ax.get_xlim() == (2.0**-18, 1.0)


def test_number_line_draws_on_the_given_axes_with_the_given_style():
    _, ax = plt.subplots()
    assert number_line("int4", "uint4", ax=ax, styles={"int4": {"color": "#123456"}}) is ax
    assert matplotlib.colors.to_hex(ax.collections[1].get_color()[0]) == "#123456"
    assert matplotlib.colors.to_hex(ax.collections[3].get_color()[0]) != "#123456"


def test_accuracy_curve_of_a_float_is_level_between_its_ends():
    ax = accuracy_curve("fp8_e5m2", "posit8_0", low=2.0**-20, high=2.0**20)
    level, tent = (line.get_ydata() for line in ax.lines)
    octave = np.floor(np.log2(ax.lines[0].get_xdata()))
    normal = (octave >= -14) & (octave < 15)  # OCP OFP8 table 1: normals from 2**-14, largest 57344 = 1.75 * 2**15
    assert np.ptp(level[normal]) < 1e-9
    assert np.isnan(level[octave < -17]).all()  # smallest subnormal 2**-16; below 2**-17 all becomes zero
    # posit8_0 holds 32 values in [1, 2), eight times as many as fp8_e5m2: log10(8) = 0.90 more digits.
    assert tent[octave == 0] - level[octave == 0] == pytest.approx(np.log10(8), abs=0.01)
    assert np.nanargmax(tent) in np.flatnonzero((octave == 0) | (octave == -1))


def test_accuracy_curve_of_the_worst_lies_below_the_median():
    median = accuracy_curve("hif8", low=1e-3, high=1e3).lines[0].get_ydata()
    worst = accuracy_curve("hif8", low=1e-3, high=1e3, statistic="worst").lines[0].get_ydata()
    # Absolute errors spread evenly up to half a step, so their median is half the worst; the worst relative error is
    # near the lower end of the octave, the median near its middle, sqrt(2) higher: log10(2 sqrt(2)) = 0.45 digits.
    # Steps of an eighth are too coarse for more than one decimal.
    assert np.nanmedian(median - worst) == pytest.approx(np.log10(2 * np.sqrt(2)), abs=0.05)


def test_accuracy_curve_names_every_curve_in_its_colour():
    _, ax = plt.subplots()
    names = ["fp8_e4m3fn", "fp8_e5m2", "posit8_2", "takum8", "hif8", "int8"]
    assert accuracy_curve(*names, ax=ax, styles={"takum8": {"linestyle": ":"}}) is ax
    assert [t.get_text() for t in ax.texts] == names == [line.get_label() for line in ax.lines]
    assert [t.get_color() for t in ax.texts] == [line.get_color() for line in ax.lines]
    assert len({line.get_color() for line in ax.lines}) == len(names)
    assert ax.lines[3].get_linestyle() == ":"


def test_a_format_outside_the_picture_is_still_named():
    ax = accuracy_curve("int8", low=1e-9, high=1e-8)
    assert np.isnan(ax.lines[0].get_ydata()).all() and ax.texts[0].get_text() == "int8"


@pytest.mark.parametrize("plot", [number_line, accuracy_curve])
def test_plots_refuse_what_they_cannot_draw(plot):
    with pytest.raises(ArgumentError, match="at least one format"):
        plot()
    with pytest.raises(FormatMismatchError, match="complex"):
        plot("fourth_roots")


def test_plots_refuse_bad_options():
    with pytest.raises(ArgumentError, match="'linear' or 'log2'"):
        number_line("int4", axis="log")
    with pytest.raises(ArgumentError, match="too many values"):
        number_line("posit32_2")
    with pytest.raises(ArgumentError, match="0 < low < high"):
        accuracy_curve("int8", low=0.0)
    with pytest.raises(ArgumentError, match="'median' or 'worst'"):
        accuracy_curve("int8", statistic="mean")


@pytest.mark.parametrize("plot", [number_line, accuracy_curve])
def test_without_matplotlib_the_error_names_the_extra(plot, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install 'numfmt\[plot\]'"):
        plot("fp4_e2m1")
