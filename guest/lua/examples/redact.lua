-- Takes a JSON object and replaces the value of every member that is named in the config `fields`, at any depth, by the
-- text `***`. What is not a JSON object fails.
--
-- The JSON is checked and copied in one walk without recursion, so that its depth is bounded by memory alone. All that
-- is not replaced stays as it was written.
local fields = {}
for name in (config("fields") or "password,email"):gmatch("[^,]+") do fields[name] = true end

local escapes = {
  ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t",
}

-- What a string means, whose quotes are left out, or nil where an escape is none.
local function meaning(text)
  if not text:find("\\", 1, true) then return text end
  local parts, at = {}, 1
  while true do
    local from = text:find("\\", at, true)
    if not from then break end
    parts[#parts + 1] = text:sub(at, from - 1)
    local letter = text:sub(from + 1, from + 1)
    if letter == "u" then
      local hex = text:match("^%x%x%x%x", from + 2)
      if not hex then return nil end
      local unit = tonumber(hex, 16)
      at = from + 6
      local second = tonumber(text:match("^\\u([dD][c-fC-F]%x%x)", at) or "", 16)
      if 0xd800 <= unit and unit < 0xdc00 and second then
        unit = 0x10000 + (unit - 0xd800 << 10) + (second - 0xdc00)
        at = at + 6
      end
      parts[#parts + 1] = utf8.char(unit)
    else
      if not escapes[letter] then return nil end
      parts[#parts + 1] = escapes[letter]
      at = from + 2
    end
  end
  parts[#parts + 1] = text:sub(at)
  return table.concat(parts)
end

-- The end of a string that begins at a quote, and its inside.
local function string_at(content, at)
  if content:sub(at, at) ~= '"' then return nil end
  local from = at + 1
  while true do
    local found = content:find('["\\%c]', from)
    local letter = found and content:sub(found, found)
    if letter == '"' then return found + 1, content:sub(at + 1, found - 1) end
    if letter == "\127" then
      from = found + 1
    elseif letter == "\\" then
      from = found + 2
    else
      return nil
    end
  end
end

-- The end of a value that is no list and no object.
local function scalar_at(content, at)
  local to, inside = string_at(content, at)
  if to then return meaning(inside) and to end
  for _, word in ipairs({ "true", "false", "null" }) do
    if content:sub(at, at + #word - 1) == word then return at + #word end
  end
  to = content:match("^%-?0()", at) or content:match("^%-?[1-9]%d*()", at)
  if not to then return nil end
  if content:sub(to, to) == "." then
    to = content:match("^%.%d+()", to)
    if not to then return nil end
  end
  if content:find("^[eE]", to) then to = content:match("^[eE][+-]?%d+()", to) end
  return to
end

local closing = { ["{"] = "}", ["["] = "]" }

local function skip(content, at) return content:match("^[ \n\r\t]*()", at) end

-- The object with what is masked, or nil.
local function redacted(content)
  if not utf8.len(content) then return nil end
  local at, copied, output = skip(content, 1), 1, {}
  local open, masked = {}, nil
  if content:sub(at, at) ~= "{" then return nil end
  repeat
    -- A value begins here.
    local first = content:sub(at, at)
    local is_closed = true
    if closing[first] then
      at = skip(content, at + 1)
      is_closed = content:sub(at, at) == closing[first]
      if is_closed then at = at + 1 else open[#open + 1] = first end
    else
      at = scalar_at(content, at)
      if not at then return nil end
    end
    -- A value ended here, and maybe those around it.
    while is_closed do
      if masked == #open then
        copied, masked = at, nil
      end
      if #open == 0 then break end
      at = skip(content, at)
      local letter = content:sub(at, at)
      if letter == "," then
        at = skip(content, at + 1)
        break
      end
      if letter ~= closing[open[#open]] then return nil end
      at = at + 1
      open[#open] = nil
    end
    -- A member begins with its name.
    if open[#open] == "{" then
      local to, inside = string_at(content, at)
      local name = to and meaning(inside)
      if not name then return nil end
      at = skip(content, to)
      if content:sub(at, at) ~= ":" then return nil end
      at = skip(content, at + 1)
      if not masked and fields[name] then
        output[#output + 1] = content:sub(copied, at - 1)
        output[#output + 1] = '"***"'
        masked = #open
      end
    end
  until #open == 0
  at = skip(content, at)
  if at ~= #content + 1 then return nil end
  output[#output + 1] = content:sub(copied)
  return table.concat(output)
end

function process(message)
  local output = redacted(message.content)
  if output then message.content = output else message:fail("not a JSON object") end
end
