package import Communication

/// A model description that cannot be built. The message says which value, why and what would do.
package struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible, RefusalConvertible {
  package let message: String

  package init(_ message: String) { self.message = message }

  package var description: String { message }
  package var refusal: Refusal { Refusal(.configuration, message) }
}
