"""Why is this number what it is? Checks over what a run recorded, ranked by what each would explain.

``observed``     what is known of one run, from its folder or from a pasted log alone
``expected``     what the same run takes on the vendor's board, and which published number is nearest
``work_clocks``  at which clock the work was done, from residencies and samples
``finding``      a check's answer; ``checks_*`` the checks, one small function each; ``registry`` all of them
``ranking``      pure: findings of several runs in, one ranked list out
``explanation``  one sentence, the ranked findings, and what can not be told

Rules and numbers are from public sources only (RKLLM's table, sbc-bench, issues of rknn-llm, device trees); each check
names its own.
"""
