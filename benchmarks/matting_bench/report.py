"""What a benchmark found, as a Markdown table and as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

# Name under `ratios` -> what it is, its bar, and whether the bar is a largest value.
BARS: dict[str, tuple[str, float, bool]] = {
    "served_over_raw_shm": ("served / raw engine at concurrency 8, shared memory", 0.97, False),
    "served_over_raw_grpc": ("the same over gRPC", 0.93, False),
    "served_over_raw_http": ("the same over HTTP", 0.93, False),
    "model_over_gemm": ("time at the measured GEMM peak / model run, the lower of fp32 and bf16", 0.5, False),
    "int8_over_fp32": ("int8 / fp32 throughput of the model", 2.5, False),
    "client_over_model": ("client work / model work, whole 2-megapixel photo", 1.0, True),
    "folder_over_serial": ("folder by `matting cutout` / one photo after the other", 1.6, False),
    "p99_over_p50": ("p99 / p50 at concurrency 8", 2.5, True),
    "memory_growth": ("growth of memory, the larger of server and client", 0.02, True),
    "over_isnet": ("whole photos a second / IS-Net as rembg runs it", 20.0, False),
}


def markdown(found: dict[str, Any]) -> str:
    """The report."""
    machine = found["machine"]
    lines = [
        f"# matting bench, {machine['date']}",
        "",
        f"{machine['cpu']}, {machine['cores']} cores ({', '.join(machine['flags'])}), {machine['memory_gb']} GB, "
        f"{machine['system']}, Python {machine['python']}; load before the start {machine['load_before']:.2f}.",
        f"Command: `{found['command']}`. Model: {found['model']}, {found['served_engine']}.",
        "Versions: " + ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if version) + ".",
        "",
        "| what | got | bar | |",
        "|---|---|---|---|",
    ]
    for name, (what, bar, largest) in BARS.items():
        value = found["ratios"][name]
        sign = "<=" if largest else ">="
        if value is None:
            lines.append(f"| {what} (`{name}`) | not measured | {sign} {bar:g} | |")
        else:
            met = value <= bar if largest else value >= bar
            lines.append(f"| {what} (`{name}`) | {value:.3g} | {sign} {bar:g} | {'met' if met else 'missed'} |")
    return "\n".join([*lines, "", *_details(found)]) + "\n"


def _details(found: dict[str, Any]) -> list[str]:
    lines = ["## Load, over shared memory", "", "| callers | photos/s | p50 ms | p95 ms | p99 ms | mean batch |"]
    lines.append("|---|---|---|---|---|---|")
    for row in found["sweep"]:
        times = " | ".join(f"{1e3 * row[share]:.1f}" for share in ("p50", "p95", "p99"))
        lines.append(f"| {row['concurrency']} | {row['rate']:.1f} | {times} | {row['mean_batch']:.2f} |")
    lines += ["", "## One photo, step by step", "", "| step | ms |", "|---|---|"]
    lines += [f"| {name} | {value:.1f} |" for name, value in found["split"]["ms"].items()]
    lines += ["", "## Engines, one photo, all cores", "", "| engine | ms |", "|---|---|"]
    lines += [f"| {name} | {1e3 * value:.1f} |" for name, value in found["engines"]["seconds"].items()]
    gemm = found["gemm"]
    lines += ["", f"## Against the machine's peak ({gemm['gflop']:.1f} GFLOP a photo)", ""]
    for precision in (name for name in ("f32", "bf16") if name in gemm):
        entry = gemm[precision]
        took = 1e3 * entry["seconds"]
        kernels = list(entry["layers_ms"].items())[:6]
        lines.append(
            f"- {precision}: {took:.1f} ms; matrices multiply at {entry['peak_gflops']:.0f} GFLOP/s at best, which "
            f"would need {took * entry['share']:.1f} ms: {entry['share']:.2f}. Most time in "
            + ", ".join(f"{name} {value:.1f} ms" for name, value in kernels)
        )
    lines += ["", "## Instances", "", "| instances | photos/s | memory MB |", "|---|---|---|"]
    lines += [f"| {row['instances']} | {row['rate']:.1f} | {row['memory_mb']:.0f} |" for row in found["instances"]]
    memory = found["memory"]
    lines += [
        "",
        "## Rest",
        "",
        f"- memory from photo {memory['from']} to {memory['to']}: server {memory['growth']['server']:+.2%}, "
        f"client {memory['growth']['client']:+.2%}",
        f"- cold start: {found['cold_start']['ready']:.2f} s to ready, "
        f"then {1e3 * found['cold_start']['first_photo']:.0f} ms for the first photo",
        f"- whole photos with 8 callers: {found['whole_photos']:.1f}/s",
    ]
    if found["peer"]:
        peer = found["peer"]
        lines.append(
            f"- {peer['name']} as rembg runs it: {peer['rate']:.2f} photos/s; ours / theirs {peer['ratio']:.1f}"
        )
    if found["perf_analyzer"]:
        lines.append(f"- rate of this benchmark / perf_analyzer's: {found['perf_analyzer']['ratio']:.3f}")
    return lines


def draw_plots(found: dict[str, Any], folder: Path) -> None:
    """Rate and latency against callers, the split of a photo, and memory over photos, as small PNGs."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = found["sweep"]
    callers = [row["concurrency"] for row in rows]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    left.plot(callers, [row["rate"] for row in rows], "o-")
    left.set(xscale="log", xlabel="callers", ylabel="photos / s", ylim=(0, None))
    for share in ("p50", "p95", "p99"):
        right.plot(callers, [1e3 * row[share] for row in rows], "o-", label=share)
    right.set(xscale="log", yscale="log", xlabel="callers", ylabel="ms")
    right.legend()
    figure.savefig(folder / "load.png", dpi=90)

    steps = {name: value for name, value in found["split"]["ms"].items() if name != "queue"}
    figure, axis = pyplot.subplots(figsize=(6, 2.8), layout="constrained")
    axis.barh(list(steps), list(steps.values()))
    axis.invert_yaxis()
    axis.set(xlabel="ms of a 2-megapixel photo")
    figure.savefig(folder / "split.png", dpi=90)

    samples = found["memory"]["samples"]
    figure, axis = pyplot.subplots(figsize=(6, 2.8), layout="constrained")
    for who in ("server", "client"):
        axis.plot([sample["photo"] for sample in samples], [sample[who] / 1e6 for sample in samples], label=who)
    axis.set(xlabel="photos", ylabel="MB (USS)", ylim=(0, None))
    axis.legend()
    figure.savefig(folder / "memory.png", dpi=90)
    pyplot.close("all")
