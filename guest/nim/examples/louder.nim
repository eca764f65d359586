## Appends `!!!` to the content, which may be any bytes.
import wappa

guest:
  message.content = message.content & "!!!"
