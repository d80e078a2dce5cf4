"""Judging nights: has something become slower or bigger, on which board, since when, and what changed there.

Nights in, verdicts out: no file, no clock, no state. A verdict follows from the evidence alone, so the same evidence
gives the same verdict whenever it is asked, and a night that was cut short is judged as well as any other.

``values``    a night's number for one series (board, cell, metric): the median of its valid repeats
``segments``  nights that may be compared; other conditions begin a new segment and never raise an alarm
``fast``      each night against the ones before it; what falls out is measured again before anybody is woken
``slow``      the last week against the weeks before: a note, for what is too small for the fast tier
``verdict``   all series of a night together: one board down is the board's fault, all of them are the software's
``band``      where a board's canary is expected to be

The caller's part, each night::

    nights = read_nights(runs)                       # everything collected, tonight included
    for suspect in suspects(nights):                 # tonight's drops that nobody has confirmed
        ...                                          # cool down, measure suspect.series' cell once more, in the
                                                     # campaign again_name(tonight)
    nights = read_nights(runs)                       # with those
    verdict = judge_night(nights)                    # alarms, flaky cells, A/B cards, notes
"""

from analysis.nights.values import Night, NightValue, Series, again_name, read_nights
from analysis.nights.verdict import Alarm, Cause, NightVerdict, judge_night, suspects

__all__ = [
    "Alarm",
    "Cause",
    "Night",
    "NightValue",
    "NightVerdict",
    "Series",
    "again_name",
    "judge_night",
    "read_nights",
    "suspects",
]
