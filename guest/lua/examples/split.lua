-- Splits the content at the config `separator` and sends every piece that is not blank as a message of its own, with its
-- number in the metadata `split_index`.
local separator = config("separator") or ","
if separator == "" then error("the config `separator` is empty: give it at least one letter", 0) end

function process(message)
  local content = message.content
  local sent, at = 0, 1
  while at <= #content + 1 do
    local from, to = content:find(separator, at, true)
    local piece = content:sub(at, (from or #content + 1) - 1):match("^ *(.-) *$")
    if piece ~= "" then
      -- A piece is sent once the next one is found: the last one is the message itself.
      if 0 < sent then message:emit() end
      message.content = piece
      message.metadata.split_index = sent
      sent = sent + 1
    end
    if not from then break end
    at = to + 1
  end
  if sent == 0 then message:filter() end
end
