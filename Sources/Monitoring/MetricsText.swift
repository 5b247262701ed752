/// A page in the text exposition format of Prometheus, version 0.0.4: families of samples, each with its help and type.
package struct MetricsText {
  package enum Kind: String, Sendable {
    /// What goes up and down.
    case gauge
    /// What only grows.
    case counter
  }

  /// One number, with the labels that tell it from others of its family.
  package struct Sample {
    let labels: [(name: String, value: String)]
    let value: Double

    package init(_ value: Double, _ labels: KeyValuePairs<String, String> = [:]) {
      self.value = value
      self.labels = labels.map { ($0.key, $0.value) }
    }
  }

  package private(set) var description = ""

  package init() {}

  /// Adds a family; one without samples is left out.
  package mutating func add(_ name: String, _ kind: Kind, _ help: String, _ samples: [Sample]) {
    guard !samples.isEmpty else { return }
    description += "# HELP \(name) \(Self.escaped(help, quotes: false))\n# TYPE \(name) \(kind.rawValue)\n"
    for sample in samples {
      let pairs = sample.labels.map { "\($0.name)=\"\(Self.escaped($0.value, quotes: true))\"" }
      let labels = pairs.isEmpty ? "" : "{\(pairs.joined(separator: ","))}"
      description += "\(name)\(labels) \(Self.text(sample.value))\n"
    }
  }

  /// Adds a family of one number; one that is not known is left out.
  package mutating func add(_ name: String, _ kind: Kind, _ help: String, _ value: Double?) {
    add(name, kind, help, value.map { [Sample($0)] } ?? [])
  }

  private static func escaped(_ text: String, quotes: Bool) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\"" where quotes: result += "\\\""
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  private static func text(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
    return Int(exactly: value).map(String.init) ?? "\(value)"
  }
}
