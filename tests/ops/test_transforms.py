"""Transforms agree with Sylvester's matrix in exact integers, with scalar code in the documented order, and invert."""

from __future__ import annotations

import math

import numpy as np
import pytest

from numfmt.errors import ArgumentError, DTypeError
from numfmt.ops import (
    haar_pairs,
    hadamard,
    hadamard_signs,
    inverse_haar_pairs,
    inverse_hadamard,
    inverse_permutation,
    k_sort,
    permute,
)

BLOCKS = [1 << k for k in range(1, 13)]
SMALL = [2, 4, 8, 16, 32, 64, 128, 256]
FLOATS = [np.float16, np.float32, np.float64]


def sylvester(n):
    """H by the definition: the sign is the parity of i & j."""
    return [[1 - 2 * ((i & j).bit_count() & 1) for j in range(n)] for i in range(n)]


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def scalar_butterflies(x):
    """One block in the documented order of additions, one rounded addition at a time."""
    x = list(x)
    h = 1
    while h < len(x):
        for start in range(0, len(x), 2 * h):
            for i in range(start, start + h):
                x[i], x[i + h] = x[i] + x[i + h], x[i] - x[i + h]
        h *= 2
    return x


# ---- Hadamard in integers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", SMALL)
def test_unit_vectors_give_the_columns_of_sylvesters_matrix(n):
    y = hadamard(np.eye(n, dtype=np.int16), n, normalize=False)
    assert y.tolist() == sylvester(n)  # H is symmetric


@pytest.mark.conformance
@pytest.mark.parametrize("n", SMALL)
def test_the_matrix_is_that_of_scipy(n):
    linalg = pytest.importorskip("scipy.linalg")
    assert (hadamard(np.eye(n, dtype=np.int8), n, axis=0, normalize=False) == linalg.hadamard(n)).all()


@pytest.mark.parametrize("n", BLOCKS)
def test_h_times_h_is_n_times_the_identity_in_integers(n):
    x = np.random.default_rng(n).integers(-128, 128, (3, 2 * n)).astype(np.int8)
    twice = hadamard(hadamard(x, n, normalize=False), n, normalize=False)
    assert twice.tolist() == (x.astype(object) * n).tolist()


@pytest.mark.parametrize("n", SMALL)
def test_integers_agree_with_python_integers(n):
    x = np.random.default_rng(n).integers(-(2**40), 2**40, 2 * n)
    h = sylvester(n)
    expected = [sum(s * v for s, v in zip(row, block, strict=True)) for block in x.reshape(2, n).tolist() for row in h]
    assert hadamard(x, n, normalize=False).tolist() == expected


@pytest.mark.parametrize(
    "dtype, block, result",
    [
        (np.int8, 2, np.int16),
        (np.int8, 128, np.int16),  # 128 * 128 = 2**14
        (np.int8, 256, np.int32),  # 256 * 128 = 2**15, one beyond int16
        (np.uint8, 128, np.int16),  # 128 * 255 = 32640
        (np.uint8, 256, np.int32),
        (np.int16, 2, np.int32),
        (np.int16, 4096, np.int32),
        (np.uint16, 4096, np.int32),
        (np.int32, 2, np.int64),
        (np.uint32, 4096, np.int64),
        (np.int64, 32, np.int64),
        (np.uint64, 32, np.int64),
    ],
)
def test_the_integer_dtype_holds_the_extremes(dtype, block, result):
    info = np.iinfo(dtype)
    low, high = max(info.min, -(2**62) // block), min(info.max, 2**62 // block)
    x = np.full((2, block), high, dtype)
    x[1] = low
    for signs in (None, -np.ones(block)):
        y = hadamard(x, block, signs=signs, normalize=False)
        assert y.dtype == result
        sign = 1 if signs is None else -1
        assert [int(v) for v in y[:, 0]] == [sign * block * high, sign * block * low]
        assert not y[:, 1:].any()


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_sums_beyond_int64_are_an_error_and_the_last_that_fit_are_not(dtype):
    largest = (2**63 - 1) // 32
    x = np.full(32, largest, dtype)
    assert hadamard(x, normalize=False)[0] == 32 * largest
    x[5] += 1
    with pytest.raises(ArgumentError, match=rf"32 \* {largest + 1}, beyond int64"):
        hadamard(x, normalize=False)
    assert np.isfinite(hadamard(x.astype(np.float64))).all()
    with pytest.raises(ArgumentError, match=r"beyond 2\*\*53"):
        hadamard(x)


@pytest.mark.parametrize("n", [2, 32, 64])
@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.float16, np.float32])
def test_normalised_integers_go_through_float64(n, dtype):
    x = np.random.default_rng(n).integers(-100, 100, 2 * n)
    y = hadamard(x, n)
    exact = hadamard(x, n, normalize=False)
    assert same_bits(y, exact / np.sqrt(np.float64(n)))  # one rounding each: IEEE division
    if np.dtype(dtype).kind == "i":
        assert same_bits(hadamard(x.astype(dtype), n), y)


# ---- Hadamard in floats ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n", [2, 8, 32, 64])
def test_floats_have_the_bits_of_the_documented_order(n, dtype):
    x = (np.random.default_rng(n).standard_normal((3, 2 * n)) * 10).astype(dtype)
    signs = hadamard_signs(5, n)
    for normalize in (True, False):
        root = dtype(math.sqrt(n) if normalize else 1)
        expected = [[v / root for v in scalar_butterflies(b)] for b in (x.reshape(6, n) * signs.astype(dtype))]
        y = hadamard(x, n, signs=signs, normalize=normalize)
        assert same_bits(y, np.array(expected, dtype).reshape(x.shape))


def test_the_order_of_additions_is_visible_in_the_bits():
    x = np.array([1, 2**-24, 2**-24, 2**-24], np.float32)
    assert hadamard(x, 4, normalize=False)[0] == 1 + 2**-23  # (1 + u) + (u + u), u half a unit in the last place of 1
    assert hadamard(x[::-1], 4, normalize=False)[0] == 1 + 2**-23  # (u + u) + (u + 1)
    assert ((x[0] + x[1]) + x[2]) + x[3] == 1  # from left to right every half unit is lost


@pytest.mark.parametrize("n", BLOCKS)
def test_rotations_are_orthonormal(n):
    rng = np.random.default_rng(n)
    a, b = rng.standard_normal((2, n))
    ra, rb = hadamard(a, n, signs=3), hadamard(b, n, signs=3)
    # Twelve stages of additions, a product and a sum: far below 100 roundings of the norm.
    bound = 100 * 2.0**-53 * math.sqrt((a @ a) * (b @ b))
    assert abs(ra @ rb - a @ b) < bound
    assert np.abs(inverse_hadamard(ra, n, signs=3) - a).max() < 100 * 2.0**-53 * np.abs(a).max() * math.sqrt(n)


@pytest.mark.parametrize("n", [4, 16, 64, 256, 1024, 4096])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_powers_of_four_divide_exactly(n, dtype):
    x = np.random.default_rng(n).integers(-127, 128, 2 * n).astype(dtype)
    y = hadamard(x, n, signs=1)
    exact = hadamard(x.astype(np.int16), n, signs=1, normalize=False)
    assert (y.astype(np.float64) * math.isqrt(n) == exact).all()
    assert np.array_equal(inverse_hadamard(y, n, signs=1), x)


@pytest.mark.parametrize("n", BLOCKS)
def test_without_division_small_integers_in_floats_come_back(n):
    x = np.random.default_rng(n).integers(-7, 8, 2 * n).astype(np.float32)
    y = hadamard(x, n, signs=1, normalize=False)
    back = inverse_hadamard(y, n, signs=1, normalize=False)
    assert back.dtype == np.float32 and np.array_equal(back, x)


def test_nan_infinity_and_overflow_stay_in_their_block():
    x = np.zeros(16, np.float32)
    x[1], x[6] = np.nan, np.inf
    x[8:12] = 3e38
    y = hadamard(x, 4, normalize=False)
    assert np.isnan(y[:4]).all() and np.isinf(y[4:8]).all()
    assert y[8] == np.inf and (y[12:] == 0).all()
    assert y[9] == 0 and np.isnan(y[10])  # 0 + 0, inf - inf


# ---- signs -------------------------------------------------------------------------------------------------------


def hash_top_bit(seed, i):
    """The hash of numfmt.HashRandom's docstring, in Python integers."""
    m = 0xFFFFFFFF

    def mix(x):
        x ^= x >> 16
        x = x * 0x7FEB352D & m
        x ^= x >> 15
        x = x * 0x846CA68B & m
        return x ^ x >> 16

    k0 = mix((seed & m) ^ mix((i >> 32) + 0x9E3779B9 & m))
    k1 = mix((seed >> 32) + 0x85EBCA6B + k0 & m)
    x = (i & m) ^ k0
    x ^= x >> 16
    x = x * 0x7FEB352D & m
    x ^= k1
    x ^= x >> 15
    x = x * 0x846CA68B & m
    x ^= x >> 16
    return x >> 31


FROZEN = {  # bit i of the number, from the left, is set where sign i is -1; made by hash_top_bit
    0: 0x635B4149CD99EB82,
    2**40 + 7: 0x8C933FB1CB7CFD83,
}


@pytest.mark.parametrize("seed", FROZEN)
def test_the_first_64_signs_are_fixed(seed):
    expected = [1 - 2 * (FROZEN[seed] >> (63 - i) & 1) for i in range(64)]
    assert hadamard_signs(seed, 64).tolist() == expected
    assert [1 - 2 * hash_top_bit(seed, i) for i in range(64)] == expected


@pytest.mark.parametrize("seed", [1, 2**31, 2**64 - 1])
def test_signs_are_the_documented_hash(seed):
    signs = hadamard_signs(seed, 4096)
    assert signs.dtype == np.int8
    assert signs.tolist() == [1 - 2 * hash_top_bit(seed, i) for i in range(4096)]
    assert (hadamard_signs(seed, 100) == signs[:100]).all()
    assert abs(int(signs.sum())) < 5 * 64  # five standard deviations


def test_signs_by_seed_by_block_and_by_axis_agree():
    x = np.random.default_rng(0).standard_normal((5, 96)).astype(np.float32)
    s = hadamard_signs(9, 32)
    y = hadamard(x, 32, signs=9)
    assert same_bits(y, hadamard(x, 32, signs=s))
    assert same_bits(y, hadamard(x, 32, signs=np.tile(s, 3).astype(np.float64)))
    assert same_bits(y, hadamard(x * np.tile(s, 3).astype(np.float32), 32))
    assert not (y == hadamard(x, 32, signs=10)).all()
    assert same_bits(y, hadamard(x, 32, signs=np.int64(9)))


# ---- inverses in integers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", BLOCKS)
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32, np.uint32])
def test_integers_come_back(n, dtype):
    info = np.iinfo(dtype)
    x = np.random.default_rng(n).integers(info.min, info.max, 2 * n, dtype=dtype, endpoint=True)
    x[:2] = info.min, info.max
    y = hadamard(x, n, signs=4, normalize=False)
    back = inverse_hadamard(y, n, signs=4, normalize=False)
    assert back.dtype == y.dtype and back.tolist() == x.tolist()


def test_the_integer_inverse_does_not_overflow_at_the_end_of_int64():
    for top in (2**63 - 1, -(2**63 - 1)):
        y = np.zeros(2, np.int64)
        y[:] = top  # a = top, b = 0
        assert inverse_hadamard(y, 2, normalize=False).tolist() == [top, 0]
    y = np.array([-(2**63), -(2**63)])
    assert inverse_hadamard(y, 2, normalize=False).tolist() == [-(2**63), 0]
    with pytest.raises(ArgumentError, match="cannot negate"):
        inverse_hadamard(y, 2, signs=[-1, 1], normalize=False)


@pytest.mark.parametrize("n", [2, 4, 32])
def test_every_integer_vector_that_is_no_transform_is_refused(n):
    """H x / n is integer exactly when every sum is divisible by n, decided in Python integers."""
    rng = np.random.default_rng(n)
    h, refused = sylvester(n), 0
    for _ in range(200):
        x = rng.integers(-4, 5, n)
        if rng.random() < 0.5:
            x = hadamard(x, n, normalize=False) + (rng.random(n) < 0.05)
        sums = [sum(s * v for s, v in zip(row, x.tolist(), strict=True)) for row in h]
        if any(s % n for s in sums):
            refused += 1
            with pytest.raises(ArgumentError, match="has fractions"):
                inverse_hadamard(x, n, normalize=False)
        else:
            assert inverse_hadamard(x, n, normalize=False).tolist() == [s // n for s in sums]
    assert 20 < refused < 200


# ---- layouts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_other_axes_and_layouts(axis):
    x = np.random.default_rng(1).standard_normal((8, 16, 24)).astype(np.float32)
    for array in (x, np.asfortranarray(x), x[::-1, ::-1, ::-1], x.astype(">f4"), x.transpose(2, 1, 0)):
        before = array.copy()
        last = np.moveaxis(array, axis, -1)
        expected = np.array([scalar_butterflies(b) for b in last.reshape(-1, 8).astype(np.float32)], np.float32)
        expected = np.moveaxis(expected.reshape(last.shape), -1, axis)
        y = hadamard(array, 8, axis=axis, normalize=False)
        assert y.dtype == np.float32 and y.flags.c_contiguous and (y == expected).all()
        np.testing.assert_array_equal(array, before)
        pairs = haar_pairs(array, axis=axis, normalize=False)
        even, odd = last[..., 0::2].astype(np.float32), last[..., 1::2].astype(np.float32)
        assert (np.moveaxis(pairs, axis, -1) == np.concatenate([even + odd, even - odd], -1)).all()
        assert same_bits(
            inverse_haar_pairs(pairs, axis=axis),
            np.moveaxis(inverse_haar_pairs(np.moveaxis(pairs, axis, -1)), -1, axis).copy(),
        )


def test_lists_empty_arrays_and_read_only_input():
    assert hadamard([1, 1], 2, normalize=False).tolist() == [2, 0]
    for shape in [(0,), (0, 32), (4, 0), (3, 0, 5)]:
        x = np.zeros(shape, np.float32)
        assert hadamard(x, 32, axis=1 if len(shape) > 1 else 0).shape == shape
    x = np.ones(32, np.float32)
    x.flags.writeable = False
    assert hadamard(x, normalize=False)[0] == 32


# ---- Haar --------------------------------------------------------------------------------------------------------


def test_haar_puts_sums_first_and_inverts_exactly_in_integers():
    x = np.random.default_rng(2).integers(-128, 128, (7, 50)).astype(np.int8)
    y = haar_pairs(x, normalize=False)
    a, b = x[:, 0::2].astype(int), x[:, 1::2].astype(int)
    assert y.dtype == np.int16 and y.tolist() == np.concatenate([a + b, a - b], 1).tolist()
    assert inverse_haar_pairs(y, normalize=False).tolist() == x.tolist()
    y[3, 7] += 1
    with pytest.raises(ArgumentError, match="fractions"):
        inverse_haar_pairs(y, normalize=False)


@pytest.mark.parametrize("dtype", FLOATS)
def test_normalised_haar_divides_once_by_the_rounded_root(dtype):
    x = np.random.default_rng(3).standard_normal(64).astype(dtype)
    a, b, root = x[0::2], x[1::2], dtype(math.sqrt(2))
    assert same_bits(haar_pairs(x), np.concatenate([(a + b) / root, (a - b) / root]))
    low, high = x[:32], x[32:]
    expected = np.stack([(low + high) / root, (low - high) / root], -1).reshape(-1)
    assert same_bits(inverse_haar_pairs(x), expected)


def test_haar_compacts_a_correlated_row_and_not_a_white_one():
    """arXiv:2602.13710's motive: the sums of an AR(1) row with correlation r hold (1 + r) / 2 of its energy."""
    rng = np.random.default_rng(4)
    for r in (0.0, 0.9):
        x = np.empty(200_000)
        x[0] = rng.standard_normal()
        noise = rng.standard_normal(x.size) * math.sqrt(1 - r * r)
        for i in range(1, x.size):
            x[i] = r * x[i - 1] + noise[i]
        y = haar_pairs(x)
        share = np.square(y[:100_000]).sum() / np.square(y).sum()
        assert abs(share - (1 + r) / 2) < 0.01


# ---- K-sort ------------------------------------------------------------------------------------------------------


def test_k_sort_is_by_descending_norm_with_stable_ties():
    rng = np.random.default_rng(5)
    w = rng.integers(-3, 4, (40, 3))
    squares = [sum(v * v for v in row) for row in w.tolist()]
    expected = sorted(range(40), key=lambda i: -squares[i])  # Python's sort is stable
    assert len(set(squares)) < 20  # there are ties
    for array in (w, w.astype(np.float16), w * 1e300, w * 5e-324, np.asfortranarray(w)):
        assert k_sort(array).tolist() == expected
    assert k_sort(w.T, axis=1).tolist() == expected
    assert k_sort(w[::-1][::-1]).dtype == np.intp
    largest = np.abs(w).max(1)
    assert k_sort(w, key="absmax").tolist() == sorted(range(40), key=lambda i: -largest[i])


def test_rows_with_the_same_numbers_tie_whatever_their_order():
    rng = np.random.default_rng(6)
    row = rng.standard_normal(1001)
    w = np.stack([rng.permutation(row) for _ in range(30)])
    assert k_sort(w).tolist() == list(range(30))


@pytest.mark.parametrize("head_size, rotary_pairs", [(None, None), (16, None), (16, "adjacent"), (16, "halves")])
def test_q_times_k_is_unchanged_in_integers(head_size, rotary_pairs):
    rng = np.random.default_rng(7)
    heads, head, width, tokens = 4, 16, 24, 10
    wq, wk = rng.integers(-127, 128, (2, heads * head, width))
    x = rng.integers(-127, 128, (tokens, width))
    p = k_sort(wk, head_size=head_size, rotary_pairs=rotary_pairs)
    assert sorted(p.tolist()) == list(range(heads * head)) and p.tolist() != list(range(heads * head))

    def scores(wq, wk, heads):
        q, k = ((x @ w.T).reshape(tokens, heads, -1) for w in (wq, wk))
        return np.einsum("thd,shd->hts", q, k)

    n = 1 if head_size is None else heads
    assert (scores(permute(wq, p, 0), permute(wk, p, 0), n) == scores(wq, wk, n)).all()
    if head_size is not None:
        assert (p // head == np.arange(heads * head) // head).all()  # no channel leaves its head


@pytest.mark.parametrize("rotary_pairs", ["adjacent", "halves"])
def test_rotary_pairs_move_as_one(rotary_pairs):
    """Rotating permuted channels with permuted angles is permuting rotated channels, bit for bit."""
    rng = np.random.default_rng(8)
    heads, head, tokens = 3, 8, 5
    w = rng.standard_normal((heads * head, 12))
    p = k_sort(w, head_size=head, rotary_pairs=rotary_pairs)
    angles = rng.uniform(0, 6, (tokens, heads * head // 2))  # one per pair, in the order of the first members
    index = np.arange(heads * head).reshape(heads, head)
    pairs = (
        index.reshape(heads, head // 2, 2) if rotary_pairs == "adjacent" else index.reshape(heads, 2, -1).swapaxes(1, 2)
    )
    first, second = pairs.reshape(-1, 2).T

    def rotate(k, angles):
        out = np.empty_like(k)
        c, s = np.cos(angles), np.sin(angles)
        out[:, first], out[:, second] = k[:, first] * c - k[:, second] * s, k[:, first] * s + k[:, second] * c
        return out

    k = rng.standard_normal((tokens, heads * head))
    pair_of = np.empty(heads * head, int)
    pair_of[first] = pair_of[second] = np.arange(first.size)
    moved = pair_of[p][first]  # which old pair sits in each place
    assert (p[second] == second[moved]).all() and (p[first] == first[moved]).all()
    assert same_bits(rotate(permute(k, p), angles[:, moved]), permute(rotate(k, angles), p))
    energy = np.square(w).sum(1)
    joint = (energy[first] + energy[second])[moved].reshape(heads, -1)
    assert (np.diff(joint, axis=1) <= 0).all()


@pytest.mark.parametrize("n, helps", [(32, True), (64, True), (128, False)])
def test_k_sort_lowers_the_error_relative_to_each_channel_in_blocks_below_the_head(n, helps):
    """arXiv:2403.20137: 4-bit mantissas, head of 128; one block of 128 has the same scale in any order."""
    rng = np.random.default_rng(9)
    gains = np.exp(rng.standard_normal(128) * 1.0)
    k = rng.standard_normal((2000, 128)) * gains
    p = k_sort(k, axis=1)

    def channel_error(k):
        blocks = k.reshape(-1, n)
        exponent = np.frexp(np.abs(blocks).max(1, keepdims=True))[1] - 1
        step = np.ldexp(1.0, exponent - 2)
        error = (np.clip(np.rint(blocks / step), -7, 7) * step - blocks).reshape(k.shape)
        return np.square(error).mean(0) / np.square(k).mean(0)

    plain, ordered = channel_error(k), permute(channel_error(permute(k, p)), inverse_permutation(p))
    if helps:
        assert ordered.mean() < 0.9 * plain.mean()
    else:
        assert same_bits(plain, ordered)


def test_permutations_apply_and_undo():
    rng = np.random.default_rng(10)
    p = rng.permutation(12)
    q = inverse_permutation(p)
    for x in (
        rng.standard_normal((12, 3)),
        rng.integers(0, 9, (12, 4)).astype(np.uint8),
        np.array(list("abcdefghijkl")),
    ):
        y = permute(x, p, axis=0)
        assert same_bits(permute(y, q, axis=0), x)
        assert [y[i].tolist() for i in range(12)] == [x[p[i]].tolist() for i in range(12)]
    assert permute([], []).size == 0 and inverse_permutation([]).size == 0
    assert k_sort(np.zeros((0, 5))).size == 0 and k_sort(np.zeros((3, 0))).tolist() == [0, 1, 2]


# ---- errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [0, 1, 3, 24, 8192, -32, 32.0, True, None, "32"])
def test_blocks_that_are_no_power_of_two_are_refused(block):
    for function in (hadamard, inverse_hadamard):
        with pytest.raises(ArgumentError, match="block must be a power of two from 2 to 4096, got"):
            function(np.zeros(8192), block)


def test_errors_name_the_numbers():
    with pytest.raises(
        ArgumentError, match=r"axis 1 has length 48, block is 32; pad x with zeros to 64 or use block=16"
    ):
        hadamard(np.zeros((2, 48)))
    with pytest.raises(ArgumentError, match=r"length 5, block is 2; pad x with zeros to 6$"):
        haar_pairs(np.zeros(5))
    with pytest.raises(ArgumentError, match=r"from -2 to 1 for shape \(2, 32\), got 2"):
        hadamard(np.zeros((2, 32)), axis=2)
    with pytest.raises(ArgumentError, match="scalar"):
        hadamard(1.0)
    with pytest.raises(ArgumentError, match=r"block \(32\) or of the axis \(64\); got shape \(16,\)"):
        hadamard(np.zeros(64), signs=np.ones(16))
    for signs in (np.zeros(32), np.full(32, np.nan), np.full(32, 255, np.uint8)):
        with pytest.raises(ArgumentError, match=r"only \+1 and -1"):
            hadamard(np.zeros(64), signs=signs)
    for signs in (True, "abc", np.ones(32, bool), 1j):
        with pytest.raises((ArgumentError, DTypeError), match="signs"):
            hadamard(np.zeros(64), signs=signs)
    for seed in (-1, 2**64):
        with pytest.raises(ArgumentError, match="seed"):
            hadamard(np.zeros(64), signs=seed)
    with pytest.raises(ArgumentError, match="length"):
        hadamard_signs(0, -1)


@pytest.mark.parametrize(
    "x",
    [np.zeros(32, complex), np.zeros(32, bool), np.zeros(32, object), np.zeros(32, np.longdouble), ["a"] * 32,
     np.ma.masked_array(np.zeros(32), np.zeros(32)), [[1.0], [1.0, 2.0]]],
)  # fmt: skip
def test_dtypes_without_a_defined_sum_are_refused(x):
    for function in (hadamard, inverse_hadamard, haar_pairs, inverse_haar_pairs, k_sort):
        with pytest.raises(DTypeError):
            function(x)


def test_k_sort_and_permutation_errors():
    w = np.ones((12, 4))
    for bad in (np.nan, np.inf):
        with pytest.raises(ArgumentError, match="w must be finite"):
            k_sort(np.where(np.eye(12, 4) > 0, bad, w))
    with pytest.raises(ArgumentError, match="key must be 'norm' or 'absmax', got 'mean'"):
        k_sort(w, key="mean")
    for head_size in (5, 0, -4, 24, 2.0):
        with pytest.raises(ArgumentError, match="axis 0 has length 12, head_size is"):
            k_sort(w, head_size=head_size)
    with pytest.raises(ArgumentError, match="even size, got 3"):
        k_sort(w, head_size=3, rotary_pairs="halves")
    with pytest.raises(ArgumentError, match="rotary_pairs must be None"):
        k_sort(w, rotary_pairs="neox")
    for p in ([0, 0, 1], [1, 2, 3], [0.0, 1.0, 2.0], [[0, 1, 2]], [True, False, True]):
        with pytest.raises(ArgumentError, match="permutation must"):
            permute([1, 2, 3], p)
        with pytest.raises(ArgumentError, match="permutation must"):
            inverse_permutation(p)
    with pytest.raises(ArgumentError, match="axis 0 has length 3, it has 2"):
        permute([1, 2, 3], [1, 0])
