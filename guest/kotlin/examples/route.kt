// Decides from the metadata `kind` and from the config where a message is to go, and writes it to the metadata `route`.
// The content is never read, and so never copied.
package route

import dev.wappa.guest.Export
import dev.wappa.guest.config
import dev.wappa.guest.count
import dev.wappa.guest.log
import dev.wappa.guest.serve

@Export
fun process() = serve { message ->
    val metadata = message.metadata
    val route = metadata["kind"]?.let { config["route.$it"] } ?: config["default"] ?: "none"
    val keys = metadata.keys.joinToString(",")

    metadata["route"] = route
    metadata["keys"] = keys
    metadata["position"] = "${message.index}/${message.batchLength}"
    metadata.remove("secret")
    message.error?.let {
        metadata["last_error"] = it
        message.clearError()
    }

    count("routed")
    log.debug("routed to $route")
}
