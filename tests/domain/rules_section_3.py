"""The rules of blast-radius class and trust maturity that must have a worked test each."""

from typing import Final

SECTION_3: Final = frozenset(
    {
        # what gives the class
        "3.class.cmdb_tier",
        "3.class.category.critical_infrastructure",
        "3.class.category.business_critical",
        "3.class.category.productivity_tools",
        "3.class.category.non_critical",
        "3.class.privilege",
        "3.class.never_the_name",
        # votes
        "3.quorum.critical_infrastructure",
        "3.quorum.business_critical",
        "3.quorum.productivity_tools",
        "3.quorum.non_critical",
        # up to which score a level needs no CAB
        "3.auto.critical_infrastructure.never",
        *(
            f"3.auto.{radius}.level{level}"
            for radius in ("business_critical", "productivity_tools", "non_critical")
            for level in range(5)
        ),
        # the two modes
        "3.mode.risk_threshold_is_the_default",
        "3.mode.trust_begins_with_cab",
        "3.mode.privileged_tooling",
        # what a level asks for
        *(f"3.maturity.level{level}.weeks" for level in range(1, 5)),
        *(f"3.maturity.level{level}.rate" for level in range(1, 5)),
        *(f"3.maturity.level{level}.p1" for level in range(1, 5)),
        *(f"3.maturity.level{level}.p2" for level in range(1, 5)),
        "3.maturity.a_release",
        "3.maturity.in_order",
        "3.maturity.weekly",
        "3.maturity.cab_approves",
        "3.maturity.spike.rate",
        "3.maturity.spike.p1",
        "3.maturity.spike.one_level",
    }
)
