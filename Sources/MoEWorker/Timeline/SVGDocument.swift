import Foundation

/// A picture in SVG, element by element. Numbers have two decimals at most; every text is escaped.
struct SVGDocument {
  private var elements: [String] = []

  mutating func rectangle(
    x: Double, y: Double, width: Double, height: Double, attributes: String, tooltip: String? = nil
  ) {
    let shape =
      "<rect x=\"\(Self.number(x))\" y=\"\(Self.number(y))\" width=\"\(Self.number(width))\" "
      + "height=\"\(Self.number(height))\" \(attributes)"
    elements.append(tooltip.map { "\(shape)><title>\(Self.escaped($0))</title></rect>" } ?? "\(shape)/>")
  }

  mutating func verticalLine(x: Double, from top: Double, to bottom: Double, attributes: String) {
    elements.append(
      "<line x1=\"\(Self.number(x))\" y1=\"\(Self.number(top))\" x2=\"\(Self.number(x))\" "
        + "y2=\"\(Self.number(bottom))\" \(attributes)/>")
  }

  mutating func text(_ text: String, x: Double, y: Double, attributes: String) {
    elements.append("<text x=\"\(Self.number(x))\" y=\"\(Self.number(y))\" \(attributes)>\(Self.escaped(text))</text>")
  }

  /// Draws another picture over this one.
  mutating func append(_ other: SVGDocument) { elements += other.elements }

  /// The whole document.
  ///
  /// - Parameter label: what a screen reader says.
  func document(width: Double, height: Double, label: String, style: String) -> String {
    let size = "\(Self.number(width)) \(Self.number(height))"
    let head =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(size)\" width=\"\(Self.number(width))\" "
      + "height=\"\(Self.number(height))\" role=\"img\" aria-label=\"\(Self.escaped(label))\">"
    return ([head, "<style>\(style)</style>"] + elements + ["</svg>", ""]).joined(separator: "\n")
  }

  private static func number(_ value: Double) -> String {
    let rounded = (value * 100).rounded() / 100
    return rounded == rounded.rounded() ? String(format: "%.0f", rounded) : String(format: "%g", rounded)
  }

  /// Safe between tags and in attributes. What XML has no place for, not even escaped, becomes a question mark.
  static func escaped(_ text: String) -> String {
    text.unicodeScalars.map { scalar in
      switch scalar {
      case "&": "&amp;"
      case "<": "&lt;"
      case ">": "&gt;"
      case "\"": "&quot;"
      case "'": "&#39;"
      case "\u{0}"..<" ", "\u{7F}"..."\u{9F}", "\u{FFFE}", "\u{FFFF}": "?"
      default: String(scalar)
      }
    }.joined()
  }
}
