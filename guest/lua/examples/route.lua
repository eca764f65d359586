-- Decides from the metadata `kind` and from the config where a message is to go, and writes it to the metadata `route`.
-- The content is never read, and so never copied.
local default = config("default") or "none"

function process(message)
  local metadata = message.metadata
  local kind = metadata.kind
  local route = kind and config("route." .. kind) or default
  local keys = table.concat(message.keys(), ",")

  metadata.route = route
  metadata.keys = keys
  metadata.position = message.index .. "/" .. message.batch_length
  metadata.secret = nil
  local failed = message.error
  if failed then
    metadata.last_error = failed
    message.error = nil
  end

  count("routed")
  log("debug", "routed to " .. route)
end
