"""What a VEX statement must bring along before it may take a finding out of the count."""

from eucora.domain.findings import VexStatement
from eucora.domain.vex import SUPPRESSING
from eucora.formats.json_document import Reader


def require_grounds(statement: VexStatement, reader: Reader, *, justification: str, products: str) -> None:
    """Refuse ``not_affected`` and ``fixed`` without a reason, or about no product; the places are of these two fields.

    Stricter than both formats, where "fixed" needs no reason and no products may mean all of them.

    Raises:
        UnreadableEvidence: one of the two is missing.
    """
    if statement.status not in SUPPRESSING:
        return
    if not statement.justification:
        raise reader.refuse(justification, f"is missing: why is the product {statement.status.replace('_', ' ')}?")
    if not statement.products:
        raise reader.refuse(products, f"is missing: which product is {statement.status.replace('_', ' ')}?")
