"""Write docs/formats: a page per idea among the block formats, the scale rules, the layouts, and an index.

    python tools/make_format_pages.py [--output DIRECTORY]

Everything but the sentence under each title comes from the catalog and from running the library; a test runs this
script and compares byte for byte. A catalog format that no line of PAGES names gets a page of its own.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _format_pages import page_text, table

import numfmt as nf
from numfmt import BlockFormat
from numfmt.cli.families import BLOCK_FAMILIES, family_of
from numfmt.display import number_text
from numfmt.formats.ggml import GgmlFormat
from numfmt.formats.scale_rules import block_exponents
from numfmt.interop import LAYOUTS

_HOME = Path(__file__).parents[1] / "docs" / "formats"


class Page(NamedTuple):
    """File name, title, what the idea is, and a pattern for the whole names of the formats on the page, best first."""

    slug: str
    title: str
    words: str
    names: str


PAGES = (
    Page("mxfp8", "MXFP8", "8-bit floats in blocks of 32 that share a power of two.", "mxfp8_e4m3|mxfp8_e5m2"),
    Page("mxfp6", "MXFP6", "6-bit floats in blocks of 32 that share a power of two.", "mxfp6_e2m3|mxfp6_e3m2"),
    Page("mxfp4", "MXFP4", "4-bit floats in blocks of 32 that share a power of two.", "mxfp4"),
    Page("mxint", "MXINT8, MXINT6, MXINT4", "Fixed-point numbers in blocks of 32 that share a power of two. MXINT8 is "
         "the standard's; the narrower ones come from papers.", "mxint8|mxint6|mxint4"),
    Page("mx_plus", "MX+", "", r"mxfp4_plus|mx.*_plus"),
    Page("nvfp4", "NVFP4", "4-bit floats in blocks of 16 with an FP8 scale, and one binary32 scale for the tensor.",
         "nvfp4|nvfp4_single"),
    Page("nvfp4_4over6", "NVFP4 with Four Over Six", "NVFP4 whose blocks may map their maximum to 4 instead of 6, "
         "whichever has the smaller error.", "nvfp4_4over6"),
    Page("nvint", "NVINT", "Integers with the scales of NVFP4.", r"nvint4|nvint\d+"),
    Page("if4", "IF4", "", "if4"),
    Page("bfp", "Block floating point", "Integers with sign and magnitude that share an exponent: `bfpM_kK` has M-bit "
         "elements, sign included, in blocks of K.", r"bfp8_k32|bfp\d+_k\d+"),
    Page("bfp16_amd", "BFP16 (AMD)", "8-bit elements in blocks of 8 with an 8-bit exponent.", "bfp16_amd"),
    Page("bfp16_amd_compiler", "BFP16 (AMD, as its compiler rounds)", "", "bfp16_amd_compiler"),
    Page("bfp_tenstorrent", "BFP8_b, BFP4_b, BFP2_b (Tenstorrent)", "", "bfp8_b|bfp4_b|bfp2_b"),
    Page("msfp", "MSFP", "Microsoft's block floating point: boxes of 16 with an 8-bit exponent.", r"msfp16|msfp\d+"),
    Page("micro_exponents", "MX9, MX6, MX4: shared micro-exponents", "", "mx9|mx6|mx4"),
    Page("flexpoint", "Flexpoint", "16-bit integers with one exponent for the whole tensor.", r"flexpoint.*"),
    Page("adaptivfloat", "AdaptivFloat", "Small floats without subnormals whose exponent bias belongs to the tensor.",
         r"adaptivfloat8_3|adaptivfloat\d+_\d+"),
    Page("int_group", "Integers in groups", "Symmetric integers, one binary16 scale for each group of a row.",
         r"int4_g128|int\d+_g\d+"),
    Page("int_channel", "Integers per channel", "Symmetric integers, one binary32 scale for each row.",
         r"int8_absmax|int\d+_absmax"),
    Page("int_tensor", "Integers per tensor", "Symmetric integers, one binary32 scale for the whole array.",
         r"int8_tensor|int\d+_tensor"),
    Page("int_dyadic", "Integers with dyadic scales", "Scales are m / 2**e with a 31-bit m, for arithmetic that has "
         "only "
         "multiplications and shifts.", r"int8_dyadic|int\d+_dyadic"),
    Page("uint_group", "Integers with zero point, in groups", "Asymmetric integers: scale and zero point for each "
         "group "
         "of a row.", r"uint4_g128|uint\d+_g\d+"),
    Page("uint_channel", "Integers with zero point, per channel", "Asymmetric integers: scale and zero point for each "
         "row.", r"uint8_affine|uint\d+_affine"),
    Page("uint_tensor", "Integers with zero point, per tensor", "Asymmetric integers: one scale and zero point.",
         r"uint8_affine_tensor|uint\d+_affine_tensor"),
    Page("qoq", "QoQ: progressive integers of QServe", "", r"qoq_.*"),
    Page("dgq", "DGQ: dual-grained integers", "", r"dgq_.*"),
    Page("fp8_scaled", "FP8 with binary32 scales", "FP8 elements and one binary32 scale per row, tensor, group or "
         "tile.",
         r"fp8_e4m3_tensor|fp8_e4m3_channel|fp8_e\dm\d_.*"),
    Page("nf_blocks", "NF4, NF3, NF2 in blocks", "Codebooks made for normally distributed weights, one binary32 scale "
         "for each block of the flattened array.", r"nf4_b64|nf\d_b\d+"),
    Page("double_quantization", "Double quantization (QLoRA)", "The scales of a codebook format are quantized "
         "themselves: their mean is subtracted, and they become 8-bit codes in blocks of 256.",
         r"nf4_b64_dq|.*_dq|bnb_double"),
    Page("bnb_fp4", "FP4 of bitsandbytes", "A 4-bit float of its own as a codebook, one scale per block.",
         r"bnb_fp4_b\d+"),
    Page("af4", "AF4", "A codebook that minimizes the absolute error, one scale per block.", r"af4_b\d+"),
    Page("bof4", "BOF4", "Codebooks that are optimal for a block size, scaled by the largest magnitude.",
         r"bof4_block_mse_b64|bof4_.*"),
    Page("bof4s", "BOF4-S", "BOF4 scaled by the element of largest magnitude with its sign.",
         r"bof4s_block_mse_b64|bof4s_.*"),
    Page("bitmod", "BitMoD", "", r"bitmod4|bitmod\d"),
    Page("ternary_absmean", "Ternary by the mean magnitude (BitNet b1.58)", "-1, 0, 1 times one scale.",
         "ternary_absmean|ternary_channel"),
    Page("ternary_absmedian", "Ternary by the median magnitude", "-1, 0, 1 times one scale.", "ternary_absmedian"),
    Page("ternary_twn", "Ternary Weight Networks", "-1, 0, 1 with a threshold of 0.7 times the mean magnitude.",
         "ternary_twn"),
    Page("sherry", "Sherry: 3:4 sparse ternary", "", r"sherry|sherry_f16"),
    Page("stq1_0", "STQ1_0: Sherry's ggml type", "", "stq1_0"),
    Page("fairy", "Fairy: fourth roots of unity", "", "fairy|fairy_channel"),
)  # fmt: skip


def _pages() -> list[tuple[Page, list[BlockFormat]]]:
    """Every page with its formats; formats of no page get one."""
    left = {name: nf.get(name) for name in nf.names(kind="block")}
    found = []
    for page in PAGES:
        patterns = page.names.split("|")
        names = [n for n in left if re.fullmatch(page.names, n)]
        names.sort(key=lambda n: (next(i for i, p in enumerate(patterns) if re.fullmatch(p, n)), _natural(n)))
        if names:
            found.append((page, [left.pop(name) for name in names]))
    return found + [(Page(name, _title(fmt), "", name), [fmt]) for name, fmt in left.items()]


def _title(fmt: BlockFormat) -> str:
    return f"{fmt.row.type_name} (ggml)" if isinstance(fmt, GgmlFormat) else fmt.name


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _index(pages: list[tuple[Page, list[BlockFormat]]]) -> str:
    parts = [
        "# Block formats",
        "Elements of one format that share a scale. `numfmt.get(name)` gives any of them, `numfmt list 'mx*'` lists "
        "them, "
        "`numfmt show NAME` prints the facts, and `element*scale/K` spells others, such as `int4*binary16/64`. "
        "See also the [scale rules](scale_rules.md) and the [layouts of packed bytes](layouts.md).",
        "Made by `tools/make_format_pages.py`.",
    ]
    for title, _ in BLOCK_FAMILIES:
        of_family = [(page, [f for f in members if family_of(f) == title]) for page, members in pages]
        rows = [
            [f"[{page.title}]({page.slug}.md)", ", ".join(f"`{f.name}`" for f in members), _span(members)]
            for page, members in of_family
            if members
        ]
        parts += [f"## {title.removeprefix('Blocks: ')}", table(["page", "formats", "bits per element"], rows)]
    return "\n\n".join(parts) + "\n"


def _span(members: list[BlockFormat]) -> str:
    bits = sorted({f.bits_per_element for f in members})
    return f"{bits[0]:g}" if len(bits) == 1 else f"{bits[0]:g} to {bits[-1]:g}"


def _layouts() -> str:
    parts = [
        "# Layouts of packed bytes",
        "`b.pack(layout)` and `numfmt.unpack`; each row along the last axis is packed by itself. In the drawings a "
        "row is a "
        "byte, its most significant bit on the left, and `e.b` is bit b of element e.",
        "Whole ggml blocks, scales inside, are drawn on the pages of the formats: layout `ggml_blocks`.",
    ]
    for layout in LAYOUTS.values():
        bits = layout.bits or 6
        note = "" if layout.bits else " Any width; drawn for 6 bits."
        parts += [
            f"## `{layout.name}`",
            f"{'Any' if layout.bits is None else layout.bits} bits: {layout.description}.{note} Source: "
            f"{layout.source}.",
            f"```\n{layout.diagram(bits)}\n```",
        ]
    order = nf.interop.swizzle(np.arange(512).reshape(128, 4)).reshape(32, 4, 4)
    rows = [[16 * i + 4 * j, *(f"({v // 4}, {v % 4})" for v in order[i, j])] for i in (0, 1, 31) for j in range(4)]
    parts += [
        "## Scales: `nvidia_128x4`",
        "`numfmt.interop.swizzle`: tiles of 128 rows and 4 columns of scales, row-major; inside a tile the scale of "
        "(row r, "
        "column c) is entry (r mod 32) * 16 + (r div 32) * 4 + c. Source: cuBLAS manual, 1D block scaling factors "
        "layout. "
        "The entries that start the tile, its second and its last group of 16:",
        table(["entry", "+0", "+1", "+2", "+3"], rows),
    ]
    return "\n\n".join(parts) + "\n"


_MAXIMA = (4.0, 5.0, 6.0, 6.5, 7.0, 7.5, 8.0)
_BLOCK = (0.5, -3.0, 1.25, 2.0)


def _scale_rules() -> str:
    rules = nf.scale_rules()
    element = nf.get("fp4_e2m1")
    exponent = [rule for rule in rules if rule.kind == "exponent"]
    rows = [
        [f"`{rule.name}`", *(f"2^{e}" for e in block_exponents(rule.name, np.array(_MAXIMA), element).tolist())]
        for rule in exponent
    ]
    others = []
    for rule in rules:
        if rule.kind in ("quotient", "search"):
            fmt = BlockFormat(nf.get("int4"), nf.get("binary32"), 4, rule.name)
            others.append(
                [f"`{rule.name}`", number_text(float(nf.encode(np.array(_BLOCK, np.float32), fmt).scales[0]))]
            )
    return (
        "\n\n".join(
            [
                "# Scale rules",
                "How the scale of a block follows from its elements: a field of every block format, and "
                "`scale_rule=` of "
                "`encode` and `quantize`. a is the largest magnitude of the block, F the largest element, emax = "
                "floor(log2 F), "
                "m the element's mantissa bits.",
                table(
                    ["rule", "kind", "scale", "source"],
                    [[f"`{r.name}`", r.kind, r.meaning, r.source] for r in rules],
                ),
                "An exponent rule gives a power of two. A quotient rule gives a real number that the scale format "
                "rounds once. An "
                "affine rule gives a zero point, too. A search takes the candidate of least error.",
                "## Exponent rules on E2M1 (F = 6, emax = 2)",
                table(["a", *(f"{a:g}" for a in _MAXIMA)], rows),
                f"## The other rules on one block: ({', '.join(f'{x:g}' for x in _BLOCK)}) in int4, binary32 scale",
                table(["rule", "scale"], others),
            ]
        )
        + "\n"
    )


def all_pages() -> dict[str, str]:
    """Every file of docs/formats by name."""
    pages = _pages()
    texts = {f"{page.slug}.md": page_text(page.title, page.words, members) for page, members in pages}
    return texts | {"README.md": _index(pages), "layouts.md": _layouts(), "scale_rules.md": _scale_rules()}


def main() -> None:
    """Write the pages, and remove those of formats that are gone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=_HOME)
    home = parser.parse_args().output
    home.mkdir(parents=True, exist_ok=True)
    texts = all_pages()
    for name, text in texts.items():
        (home / name).write_text(text, encoding="utf-8")
    for path in home.glob("*.md"):
        if path.name not in texts:
            path.unlink()


if __name__ == "__main__":
    main()
