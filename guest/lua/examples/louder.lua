-- Appends `!!!` to the content, which may be any bytes.
function process(message)
  message.content = message.content .. "!!!"
end
