"""Checks that a log alone may answer: failure, cores, context, cache, answer, OpenCL, and what was really compared.

Sources: RockchipLlama (a cached prompt: TTFT 1775 to 75 ms), the vendor's tables (0.5 to 1.1 TOPS in every prefill),
rknn-llm #531 (OpenCL helps generating by 7 to 10 %, and says nothing where it is missing).
"""

from __future__ import annotations

import re

from analysis.constants import CONTEXT_LIMIT, CORE_SHARE, FASTEST_DRAM_HZ
from analysis.diagnosis.checks_clocks import NOTICED
from analysis.diagnosis.finding import Cost, Finding, Left, fine, found, unknown
from analysis.diagnosis.observed import Observed
from analysis.memory_model import predict_memory
from analysis.metrics import GIB
from analysis.quantization import dtype_of
from analysis.release import release_of
from analysis.roofline import share_of_peak

CACHED_OPS_PER_S = 2e12  # no prefill has come near: the vendor's are 0.5 to 1.1
CACHED_SHARE = 0.5  # of the time to the first token that the model predicts; its own error is 23 % at worst
CHARS_PER_TOKEN = 8  # at most, in English, Chinese and code
LEAST_ANSWER = 0.9  # of the tokens asked for
OPENCL_COST = 0.08  # of a token: 7 to 10 % in one report

WEIGHTS_SLACK = 0.9  # of the layers' bytes: a process holds at least these
VENDOR_DEPTH = 128 + 32  # tokens before the middle of the vendor's answers
_OPENCL = re.compile(
    r"(?:fail|can ?not|could not|not f|unable)[^\n]{0,80}opencl|opencl[^\n]{0,60}(?:fail|not f|missing)"
)


def failure(seen: Observed) -> Finding:
    """What the log itself says went wrong."""
    if seen.failure is None:
        return fine("failure", "no failure in the log")
    shown = f"the log shows {seen.failure}"
    return found("failure", shown, "none", seen.advice or "read the log", decides=True)


def integrity(seen: Observed) -> Finding:
    """Numbers that their own log refutes, or that were cut off."""
    if seen.parsed.flag("tainted"):
        reasons = seen.parsed.texts("reasons")
        shown = f"the numbers are refuted: {reasons[0] if reasons else 'rows that contradict each other'}"
        return found(
            "integrity", shown, "a table that agrees with itself", "do not quote it; run it again", decides=True
        )
    if seen.parsed.flag("truncated"):
        action = "keep the log to its end; where the program was killed, stderr and the kernel's log say why"
        return found("integrity", "the log is cut", "a log up to the table", action, decides=seen.token_s is None)
    if seen.token_s is None:
        return unknown("integrity", "a complete table: RKLLM_LOG_LEVEL=1, and the log to its end")
    return fine("integrity", "the table agrees with itself")


def impossible(seen: Observed) -> Finding:
    """A speed above what the memory bus can carry is no speed of this model."""
    tps = seen.parsed.number("generate.tps")
    if tps is None or seen.expected is None:
        return unknown("roofline", "the model's architecture and its generate speed")
    share = share_of_peak(tps, seen.expected.bytes_a_token, FASTEST_DRAM_HZ)
    if share <= 1:
        mine = share_of_peak(tps, seen.expected.bytes_a_token, seen.expected.dram_top_hz)
        return fine("roofline", f"{mine:.0%} of the bus", "100 % or less")
    action = "another model than the one named, or an altered log: do not quote it"
    return found("roofline", f"{share:.0%} of the fastest bus", "100 % or less", action, decides=True)


def other_model(seen: Observed) -> Finding:
    """Memory that the named model can not have: the name is wrong, whatever the table says."""
    gib, limit = seen.parsed.number("memory_gb"), seen.parsed.whole("max_context_limit")
    if gib is None or seen.arch is None:
        return unknown("other_model", "peak memory, and the architecture of the model that is named")
    dtype = seen.parsed.text("model_dtype")
    kept = dtype if dtype and dtype_of(dtype) else "w8a8"
    most = predict_memory(seen.arch, kept, limit or CONTEXT_LIMIT, seen.parsed.text("runtime"), embed_flash=False)
    least = most.parts["layers"] * WEIGHTS_SLACK
    seen_bytes = gib * GIB
    expected = f"{least / GIB:.2f} to {most.high / GIB:.2f} GiB"
    if least <= seen_bytes <= most.high:
        return fine("other_model", f"{gib:.2f} GiB", expected)
    action = "say of which model the log is: --model NAME"
    return found("other_model", f"{gib:.2f} GiB is not the memory of that model", expected, action, decides=True)


def cores_label(seen: Observed) -> Finding:
    """Check 11. The core count is the file's; a label is only a name."""
    planned = seen.run.npu_cores if seen.run is not None else None
    banner = seen.parsed.whole("npu_core_num")
    if banner is None or planned is None:
        what = "npu_core_num in the banner (RKLLM_LOG_LEVEL=1)" if banner is None else "the core count that was meant"
        return unknown("cores_label", what)
    if banner == planned:
        return fine("cores_label", f"{banner} cores", f"{planned} cores")
    cost = Cost()
    if seen.expected is not None and {banner, planned} <= CORE_SHARE.keys():
        cost = Cost(
            max(0.0, seen.expected.token_bus_s * (CORE_SHARE[planned] / CORE_SHARE[banner] - 1)),
            max(0.0, (seen.expected.prompt_npu_s or 0.0) * (planned / banner - 1)),
        )
    shown, action = (
        f"the model file is for {banner} cores",
        f"convert with num_npu_core={planned}, or correct the label",
    )
    return found("cores_label", shown, f"{planned} cores, as planned", action, cost, decides=True)


def context(seen: Observed) -> Finding:
    """Check 12. Another context than this model's other runs here is another memory figure, and another cell."""
    asked = seen.run.workload.max_context_len if seen.run is not None else None
    limit = seen.parsed.whole("max_context_limit")
    if asked is None:
        return unknown("context", "max_context_len that was asked for")
    if limit is not None and asked > limit:
        action = f"ask for {limit} tokens or fewer, or convert with a larger max_context"
        shown = f"{asked} tokens of context asked for"
        return found("context", shown, f"at most {limit}, the file's limit", action, decides=True)
    usual = [one for one in seen.usual_contexts if one != asked]
    if usual and asked not in seen.usual_contexts:
        told = ", ".join(map(str, sorted(usual)))
        action = f"compare with runs at {asked} tokens, or measure at {usual[0]}"
        delta = ""
        if seen.arch is not None:
            mib = seen.arch.kv_bytes_per_token * (asked - usual[0]) / 2**20
            delta = f": {mib:+.0f} MiB of cache"
        return found("context", f"{asked} tokens of context{delta}", f"{told}, as in all earlier runs of it", action)
    return fine("context", f"{asked} tokens of context", f"at most {limit}" if limit else "")


def depth(seen: Observed) -> Finding:
    """Check 12. Every token before this one is read again; published speeds are for 128 tokens and 64 new ones."""
    prompt, answer = seen.parsed.whole("prefill.tokens"), seen.parsed.whole("generate.tokens")
    if prompt is None or answer is None or seen.arch is None or seen.expected is None:
        return unknown("depth", "tokens of prompt and answer, and the model's architecture")
    before = prompt + answer / 2
    more = max(0.0, seen.arch.kv_bytes_per_token * (before - VENDOR_DEPTH))
    cost = more / seen.expected.bytes_a_token * seen.expected.token_bus_s
    shown, expected = f"{before:.0f} tokens before the middle of the answer", f"{VENDOR_DEPTH} in published speeds"
    if cost < NOTICED * seen.expected.token_s:
        return fine("depth", shown, expected)
    return found("depth", shown, expected, "compare with a reference at the same depth, or ask for less", Cost(cost))


def software(seen: Observed) -> Finding:
    """Check 12. Another release than the reference's is another number."""
    mine, reference = seen.parsed.text("runtime"), seen.reference
    if mine is None or reference is None or reference.runtime is None:
        return unknown("software", "runtime of the log and of a published number")
    toolkit = seen.parsed.text("toolkit")
    if release_of(mine) != release_of(reference.runtime):
        action = f"compare with a reference of runtime {mine}, or measure under {reference.runtime}"
        return found("software", f"runtime {mine}", f"{reference.runtime}, the reference's", action)
    if toolkit and (newer := release_of(toolkit)) and (has := release_of(mine)) and newer > has:
        action = "a runtime at least as new as the toolkit"
        return found("software", f"converted with toolkit {toolkit}", f"runtime {mine} or older", action)
    return fine("software", f"runtime {mine}", f"{reference.runtime}, the reference's")


def cache_hit(seen: Observed) -> Finding:
    """Check 13. A prompt that was answered from a cache has no time to the first token."""
    tokens, seconds = seen.parsed.whole("prefill.tokens"), seen.prompt_s
    chars = seen.run.workload.prompt_chars if seen.run is not None else None
    if not tokens or not seconds or seen.expected is None or seen.arch is None:
        return unknown("cache_hit", "the Prefill row and the model's architecture")
    action = "one process a prompt, or rkllm_clear_kv_cache; this TTFT does not count"
    if chars and tokens * CHARS_PER_TOKEN < chars:
        expected = f"at least {chars // CHARS_PER_TOKEN} for {chars} characters"
        return found("cache_hit", f"only {tokens} tokens of the prompt were read", expected, action, decides=True)
    ops = 2 * seen.arch.active_body_weights * tokens / seconds
    usual = seen.expected.prompt_s or 0.0
    short = tokens >= 32 and seconds < CACHED_SHARE * usual
    expected = f"about {usual * 1000:.0f} ms for {tokens} tokens"
    if ops > CACHED_OPS_PER_S or short:
        shown = f"first token after {seconds * 1000:.0f} ms: {ops / 1e12:.1f} TOPS"
        return found("cache_hit", f"{shown}, a cached prompt", expected, action, decides=True)
    return fine("cache_hit", f"{ops / 1e12:.2f} TOPS in prefill", f"below {CACHED_OPS_PER_S / 1e12:.0f}")


def answer_length(seen: Observed) -> Finding:
    """Check 14. A short answer is a noisy rate, and another workload."""
    answer = seen.parsed.whole("generate.tokens")
    asked = seen.run.workload.max_new_tokens if seen.run is not None else None
    if answer is None or asked is None:
        return unknown("answer_length", "max_new_tokens that was asked for, and the Generate row")
    if answer + 1 >= LEAST_ANSWER * asked:
        return fine("answer_length", f"{answer + 1} tokens", f"{asked}")
    action = "a prompt that calls for more, fewer new tokens, or (from 1.3.0) ignore_eos_token"
    return found("answer_length", f"the answer ended after {answer + 1} tokens", f"{asked} were asked for", action)


def opencl(seen: Observed) -> Finding:
    """Check 15. The runtime lets the GPU help where it can, and falls back without failing."""
    if matched := _OPENCL.search(seen.text):
        cost = Cost(OPENCL_COST * seen.token_s) if seen.token_s and seen.expected is not None else Cost()
        action = "install the Mali OpenCL library (libmali); expect 7 to 10 %"
        return found("opencl", f"the log says: {matched.group()[:80]}", "an OpenCL library", action, cost)
    return unknown("opencl", "clinfo on the board: a log says nothing where OpenCL works")


def wall_time(seen: Observed) -> Finding:
    """Check 20. Printing to a slow terminal holds the runtime up."""
    return unknown("wall_time", "time stamps of the first and the last token outside the process")


def rest(seen: Observed, left: Left) -> Finding:
    """What no check explains."""
    if seen.expected is None or seen.token_s is None:
        return unknown("unexplained", "a speed, and a prediction for it")
    share = left.token_s / seen.token_s
    if share < 2 * NOTICED:
        return fine("unexplained", "no more than the prediction is wrong by", "")
    action = "measure two more models on this board: invoke bench --board NAME --model A,B,C"
    return found("unexplained", f"{share:.0%} of each token's time is not explained", "", action, Cost(left.token_s))
