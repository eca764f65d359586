// Between the host and the guest's functions.
package dev.wappa.guest

private val message = Message()

/**
 * Takes all messages of a call through a function: what a guest's `process` does.
 *
 * ```kotlin
 * @Export
 * fun process() = serve { message -> message.text += "!!!" }
 * ```
 *
 * An exception fails its message with the name of the exception, its text and the line of the guest's source, and no
 * other message.
 */
public fun serve(process: (Message) -> Unit) {
    Host.enter {
        do {
            try {
                process(message)
            } catch (thrown: Throwable) {
                Host.fail(reasonWithPlace(thrown).encodeToByteArray())
            }
        } while (Host.next())
    }
}

/**
 * Does something once for each instance, before its first message: what a guest's `wappa_init` does. What it throws
 * keeps the stream from starting.
 *
 * ```kotlin
 * @Export("wappa_init")
 * fun start() = prepare { if (config["fields"] == null) refuse("the config has no `fields`") }
 * ```
 */
public fun prepare(prepare: () -> Unit): Int {
    var status = 0
    Host.enter {
        try {
            prepare()
        } catch (thrown: Throwable) {
            Host.log(Level.ERROR, reasonWithPlace(thrown))
            status = 1
        }
    }
    return status
}

/** What [refuse] throws. */
public class Refusal internal constructor(reason: String) : RuntimeException(reason)

/**
 * Ends the guest's function: its message fails with this reason, or, in [prepare], the stream does not start for it.
 */
public fun refuse(reason: String): Nothing = throw Refusal(reason)

internal fun reasonWithPlace(thrown: Throwable): String {
    val reason = reasonOf(thrown)
    val place = if (thrown is Refusal) null else placeOf(thrown)
    return if (place == null) reason else "$reason, at $place"
}

private fun reasonOf(thrown: Throwable): String {
    val text = thrown.message
    if (thrown is Refusal && text != null) return text
    val name = thrown::class.simpleName ?: "an exception"
    val own = if (text.isNullOrEmpty()) name else "$name: $text"
    val cause = thrown.cause ?: return own
    return "$own: ${reasonOf(cause)}"
}
