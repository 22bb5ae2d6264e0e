"""What lies around every call: one concern a layer, all of one signature (`unified_api.call.Layer`)."""
