// Splits the content at the config `separator` and sends every piece that is not blank as a message of its own, with its
// number in the metadata `split_index`.
package split

import dev.wappa.guest.Export
import dev.wappa.guest.Message
import dev.wappa.guest.config
import dev.wappa.guest.prepare
import dev.wappa.guest.refuse
import dev.wappa.guest.serve

private const val SPACE: Byte = 0x20
private var separator = ByteArray(0)

@Export("wappa_init")
fun start() = prepare {
    separator = (config["separator"] ?: ",").encodeToByteArray()
    if (separator.isEmpty()) refuse("the config `separator` is empty: give it at least one letter")
}

@Export
fun process() = serve(::split)

fun split(message: Message) {
    val content = message.content
    var sent = 0
    var at = 0
    while (at <= content.size) {
        val found = findSeparator(content, at)
        var start = at
        var end = found
        while (start < end && content[start] == SPACE) start++
        while (start < end && content[end - 1] == SPACE) end--
        if (start < end) {
            // A piece is sent once the next one is found: the last one is the message itself.
            if (0 < sent) message.emit()
            message.write(content, start, end)
            message.metadata["split_index"] = sent++
        }
        at = found + separator.size
    }
    if (sent == 0) message.filter()
}

/** Where the separator begins, or the end. */
private fun findSeparator(content: ByteArray, from: Int): Int {
    var at = from
    while (at + separator.size <= content.size) {
        var i = 0
        while (i < separator.size && content[at + i] == separator[i]) i++
        if (i == separator.size) return at
        at++
    }
    return content.size
}
