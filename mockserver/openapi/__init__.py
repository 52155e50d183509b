"""Reading OpenAPI documents: references, operations, schemas, overlays. Pure: no file is opened here."""
