import Tracing

/// The colours and words of a timeline.
enum TimelineStyle {
  /// A colour and what it stands for in the legend; kinds of work that matter less share one.
  enum Swatch: String, CaseIterable {
    case ownRows, remoteRows, shadowedRows, weightGradients, movement
    case dispatch, results, shadows, sums, otherMessages

    init(_ kind: TraceKind) {
      switch kind {
      case .ownRows: self = .ownRows
      case .remoteRows: self = .remoteRows
      case .shadowedRows: self = .shadowedRows
      case .weightGradients: self = .weightGradients
      case .packing, .unpacking, .combining, .otherWork: self = .movement
      case .dispatch: self = .dispatch
      case .results: self = .results
      case .shadows: self = .shadows
      case .sums: self = .sums
      case .manifest, .otherMessage: self = .otherMessages
      }
    }

    var title: String {
      switch self {
      case .ownRows: "own rows"
      case .remoteRows: "remote rows"
      case .shadowedRows: "shadowed rows"
      case .weightGradients: "weight gradients"
      case .movement: "pack, combine, other"
      case .dispatch: "dispatch"
      case .results: "results"
      case .shadows: "expert weights"
      case .sums: "gradient sums"
      case .otherMessages: "other"
      }
    }

    var isMessage: Bool {
      switch self {
      case .ownRows, .remoteRows, .shadowedRows, .weightGradients, .movement: false
      case .dispatch, .results, .shadows, .sums, .otherMessages: true
      }
    }

    /// Told apart also by people who see fewer colours: after Okabe and Ito's palette (Color universal design, 2008).
    var color: String {
      switch self {
      case .ownRows: "#0072b2"
      case .remoteRows: "#e69f00"
      case .shadowedRows: "#8e5ea2"
      case .weightGradients: "#009e73"
      case .movement: "#8c959f"
      case .dispatch: "#56b4e9"
      case .results: "#d55e00"
      case .shadows: "#cc79a7"
      case .sums: "#5fb89b"
      case .otherMessages: "#b5bcc4"
      }
    }
  }

  static let receivedOpacity = 0.5

  static let sheet =
    """
    text{font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;font-size:12px;fill:#1f2328}
    .title{font-size:17px;font-weight:600}.note{fill:#59636e}.small{font-size:11px;fill:#59636e}.rank{font-weight:600}
    .end{text-anchor:end}.middle{text-anchor:middle}
    .grid{stroke:#d8dee4;stroke-width:1}.lane{fill:#f3f5f7}.received{fill-opacity:\(receivedOpacity)}
    .forward{fill:#dfe9f3}.backward{fill:#ecdff0}
    """
    + Swatch.allCases.map { "\n.\($0.rawValue){fill:\($0.color)}" }.joined() + "\n"

  /// `remote rows · expert 3 of rank 1 · layer 0 forward · 1.234 ms`
  static func description(of event: TraceEvent) -> String {
    let details = event.details
    var parts = [event.kind.rawValue]
    if let direction = details.direction, let peer = details.peer {
      parts.append("\(direction == .sent ? "to" : "from") rank \(peer)")
    } else if let peer = details.peer {
      parts.append("of rank \(peer)")
    }
    if let expert = details.expert { parts.append("expert \(expert)") }
    if let chunk = details.chunk { parts.append("chunk \(chunk)") }
    if let byteCount = details.byteCount { parts.append("\(byteCount) bytes") }
    if let step = event.site.step { parts.append("step \(step)") }
    let place = [event.site.layer.map { "layer \($0)" }, event.site.pass?.rawValue].compactMap(\.self)
    if !place.isEmpty { parts.append(place.joined(separator: " ")) }
    parts.append(milliseconds(event.duration) + " ms")
    return parts.joined(separator: " · ")
  }

  /// Three decimals: microseconds.
  static func milliseconds(_ nanoseconds: Int64) -> String {
    let microseconds = (nanoseconds + 500) / 1_000
    return "\(microseconds / 1_000).\(String(1_000 + microseconds % 1_000).dropFirst())"
  }
}
