#!/bin/sh
# A double of the vendor's demo for boards that are really this machine: says what runtime 1.2.3 says, with one set of numbers.
# The core count is the last digit of the model file's first line, where the real one reads it from the model too.
[ $# -eq 3 ] || { echo "Usage: $0 model_path max_new_tokens max_context_len" >&2; exit 1; }
IFS= read -r first <"$1"
cat <<TEXT
I rkllm: rkllm-runtime version: 1.2.3, rknpu driver version: 0.9.8, platform: RK3588
I rkllm: loading rkllm model from $1
I rkllm: rkllm-toolkit version: 1.2.3, max_context_limit: 4096, npu_core_num: ${first##* }, target_platform: RK3588, model_dtype: W8A8
I rkllm: Enabled cpus: [4, 5, 6, 7]
I rkllm: Enabled cpus num: 4
rkllm init success
TEXT
IFS= read -r prompt
printf '\nuser: robot: You asked: %s\n' "$prompt"
[ "${RKLLM_LOG_LEVEL:-0}" -ge 1 ] || exit 0
ruler="I rkllm: --------------------------------------------------------------------------------------"
printf '%s\n' "$ruler" "I rkllm:  Model init time (ms)  1432.10" "$ruler" \
    "I rkllm:  Stage         Total Time (ms)  Tokens    Time per Token (ms)      Tokens per Second" "$ruler" \
    "I rkllm:  Prefill       240.00           120       2.00                     500.00" \
    "I rkllm:  Generate      5000.00          100       50.00                    20.00" "$ruler" \
    "I rkllm:  Peak Memory Usage (GB)" "I rkllm:  0.75" "$ruler"
