// Appends `!!!` to the content, which may be any bytes.
package louder

import dev.wappa.guest.Export
import dev.wappa.guest.serve

private val MORE = "!!!".encodeToByteArray()

@Export
fun process() = serve { message -> message.content += MORE }
