package import Tracing

/// A picture of what every rank computed and sent: two lanes a rank, tasks above, messages in flight below.
package struct TimelinePicture {
  /// A picture of more ranks would be a wall; the rest is said, not shown.
  static let rankLimit = 64
  /// Messages that overlap more than this many times are left out of the picture.
  private static let rowLimit = 12

  private enum Size {
    static let width = 1200.0
    static let margin = 16.0
    static let gutter = 150.0
    static let computeHeight = 22.0
    static let rowHeight = 7.0
    static let laneGap = 3.0
    static let rankGap = 14.0
    static let phaseHeight = 16.0
    /// Narrower rectangles would vanish, and what lies within one that is drawn already changes nothing.
    static let narrowest = 0.5
    static let letter = 6.2
  }

  private let ranks: [RankTrace]
  private let allRankCount: Int
  private let axis: TimeAxis
  private var picture = SVGDocument()
  private var y = Size.margin

  /// - Parameter ranks: with an event at least.
  package static func svg(of ranks: [RankTrace]) -> String {
    var picture = TimelinePicture(ranks)
    return picture.draw()
  }

  private init(_ ranks: [RankTrace]) {
    self.ranks = Array(ranks.prefix(Self.rankLimit))
    allRankCount = ranks.count
    let events = self.ranks.lazy.flatMap(\.events)
    let start = events.map(\.start).min() ?? 0
    axis = TimeAxis(
      span: start..<(events.map(\.end).max() ?? start), left: Size.margin + Size.gutter,
      width: Size.width - 2 * Size.margin - Size.gutter)
  }

  private mutating func draw() -> String {
    drawTitle()
    drawLegend()
    let phasesTop = y
    y += Size.phaseHeight + Size.laneGap
    let top = y
    let lanes = ranks.map { RankLanes($0, rowLimit: Self.rowLimit) }
    let bottom = lanes.reduce(top) { $0 + height(of: $1) }
    drawLaneBackgrounds(lanes)
    drawMarks(from: top, to: bottom - Size.rankGap)
    drawPhases(at: phasesTop)
    for lane in lanes { draw(lane) }
    y += Size.margin
    return background(height: y).document(
      width: Size.width, height: y, label: "\(title), \(subtitle)", style: TimelineStyle.sheet)
  }

  /// The picture brings its own page, to be readable on any.
  private func background(height: Double) -> SVGDocument {
    var page = SVGDocument()
    page.rectangle(
      x: 0.5, y: 0.5, width: Size.width - 1, height: height - 1,
      attributes: "rx=\"8\" fill=\"#fff\" stroke=\"#d0d7de\"")
    page.append(picture)
    return page
  }

  // MARK: Above the lanes

  private var title: String {
    allRankCount == 1 ? "What 1 rank computes and sends" : "What \(allRankCount) ranks compute and send"
  }

  private var subtitle: String {
    let shown = ranks.count < allRankCount ? ", the first \(ranks.count) of them" : ""
    return "\(TimelineStyle.milliseconds(axis.end - axis.start)) ms\(shown)"
  }

  private mutating func drawTitle() {
    y += 14
    picture.text(title, x: Size.margin, y: y, attributes: "class=\"title\"")
    picture.text(subtitle, x: axis.right, y: y, attributes: "class=\"note end\"")
    y += 14
  }

  private mutating func drawLegend() {
    let used = Set(ranks.lazy.flatMap(\.events).map { TimelineStyle.Swatch($0.kind) })
    for (name, isMessage) in [("compute", false), ("messages", true)] {
      let swatches = TimelineStyle.Swatch.allCases.filter { used.contains($0) && $0.isMessage == isMessage }
      if !swatches.isEmpty { drawLegend(name, swatches) }
    }
    y += 8
  }

  private mutating func drawLegend(_ name: String, _ swatches: [TimelineStyle.Swatch]) {
    y += 18
    picture.text(name, x: Size.margin, y: y, attributes: "class=\"note\"")
    var x = axis.left
    for swatch in swatches {
      picture.rectangle(x: x, y: y - 10, width: 12, height: 12, attributes: "rx=\"2\" class=\"\(swatch.rawValue)\"")
      picture.text(swatch.title, x: x + 18, y: y, attributes: "")
      x += 18 + Size.letter * Double(swatch.title.count) + 22
    }
    if name == "messages" {
      picture.text("sent: full colour, received: paler", x: axis.right, y: y, attributes: "class=\"small end\"")
    }
  }

  private mutating func drawMarks(from top: Double, to bottom: Double) {
    for mark in axis.marks {
      picture.verticalLine(x: mark.x, from: top, to: bottom + 4, attributes: "class=\"grid\"")
      picture.text(mark.label, x: mark.x, y: bottom + 17, attributes: "class=\"small middle\"")
    }
    picture.text("ms", x: axis.left - 12, y: bottom + 17, attributes: "class=\"small end\"")
  }

  /// When the passes of layers took place, over all ranks; one ends where the next begins.
  private mutating func drawPhases(at top: Double) {
    let phases = phases
    for (number, phase) in phases.enumerated() {
      let end = number + 1 < phases.count ? min(phase.end, phases[number + 1].start) : phase.end
      let (left, right) = (axis.x(phase.start), axis.x(end))
      guard right - left >= Size.narrowest else { continue }
      picture.rectangle(
        x: left, y: top, width: right - left, height: Size.phaseHeight, attributes: "class=\"\(phase.pass.rawValue)\"",
        tooltip: phase.names[0])
      if let name = phase.names.first(where: { Size.letter * Double($0.count) + 8 < right - left }) {
        picture.text(name, x: (left + right) / 2, y: top + 12, attributes: "class=\"small middle\"")
      }
    }
  }

  private struct Phase {
    let pass: TraceSite.Pass
    /// From the longest to the shortest.
    let names: [String]
    let start: Int64
    let end: Int64
  }

  private var phases: [Phase] {
    let tasks = ranks.lazy.flatMap(\.events).filter { $0.kind.lane == .compute }
    return Dictionary(grouping: tasks, by: \.site).compactMap { site, events in
      guard let pass = site.pass else { return nil }
      let names = [site.layer.map { "layer \($0) \(pass.rawValue)" }, pass.rawValue].compactMap(\.self)
      return Phase(
        pass: pass, names: names, start: events.map(\.start).min() ?? 0, end: events.map(\.end).max() ?? 0)
    }.sorted { ($0.start, $0.end) < ($1.start, $1.end) }
  }

  // MARK: Lanes

  private func height(of lanes: RankLanes) -> Double {
    Size.computeHeight + Size.laneGap + messageHeight(of: lanes) + Size.rankGap
  }

  private func messageHeight(of lanes: RankLanes) -> Double { Size.rowHeight * Double(max(lanes.messageRows.count, 2)) }

  private mutating func drawLaneBackgrounds(_ lanes: [RankLanes]) {
    var top = y
    for lane in lanes {
      picture.rectangle(
        x: axis.left, y: top, width: axis.width, height: Size.computeHeight, attributes: "class=\"lane\"")
      picture.rectangle(
        x: axis.left, y: top + Size.computeHeight + Size.laneGap, width: axis.width, height: messageHeight(of: lane),
        attributes: "class=\"lane\"")
      top += height(of: lane)
    }
  }

  private mutating func draw(_ lanes: RankLanes) {
    let messagesTop = y + Size.computeHeight + Size.laneGap
    drawNames(lanes, messagesTop: messagesTop)
    draw(lanes.tasks, top: y, height: Size.computeHeight)
    for (row, messages) in lanes.messageRows.enumerated() {
      draw(messages, top: messagesTop + Size.rowHeight * Double(row) + 0.5, height: Size.rowHeight - 1)
    }
    y += height(of: lanes)
  }

  private mutating func drawNames(_ lanes: RankLanes, messagesTop: Double) {
    picture.text("rank \(lanes.rank)", x: Size.margin, y: y + 15, attributes: "class=\"rank\"")
    picture.text("compute", x: axis.left - 8, y: y + 15, attributes: "class=\"small end\"")
    picture.text(lanes.host, x: Size.margin, y: messagesTop + 10, attributes: "class=\"small\"")
    picture.text("messages", x: axis.left - 8, y: messagesTop + 10, attributes: "class=\"small end\"")
    if lanes.hiddenCount > 0 {
      picture.text(
        "+ \(lanes.hiddenCount) not drawn", x: axis.left - 8, y: messagesTop + 24, attributes: "class=\"small end\"")
    }
  }

  /// Draws events of one row, in order of time.
  private mutating func draw(_ events: [TraceEvent], top: Double, height: Double) {
    var drawnUpTo = -Double.infinity
    for event in events {
      let left = axis.x(event.start)
      let right = max(axis.x(event.end), left + Size.narrowest)
      guard right >= drawnUpTo + Size.narrowest / 2 else { continue }
      drawnUpTo = right
      let received = event.details.direction == .received ? " received" : ""
      picture.rectangle(
        x: left, y: top, width: right - left, height: height,
        attributes: "class=\"\(TimelineStyle.Swatch(event.kind).rawValue)\(received)\"",
        tooltip: TimelineStyle.description(of: event))
    }
  }
}

/// The events of a rank as they are drawn: tasks in one row, messages in as many as overlap.
private struct RankLanes {
  private static let hostLength = 12

  let rank: Int
  let host: String
  let tasks: [TraceEvent]
  let messageRows: [[TraceEvent]]
  /// Messages for which there are too few rows.
  let hiddenCount: Int

  init(_ trace: RankTrace, rowLimit: Int) {
    let events = trace.events.sorted { $0.start < $1.start }
    let messages = events.filter { $0.kind.lane == .message }
    let rows = SubRows.assign(messages, limit: rowLimit)
    rank = trace.rank
    host = trace.host.count <= Self.hostLength ? trace.host : trace.host.prefix(Self.hostLength - 1) + "…"
    tasks = events.filter { $0.kind.lane == .compute }
    var messageRows = [[TraceEvent]](repeating: [], count: (rows.compactMap(\.self).max() ?? -1) + 1)
    for (message, row) in zip(messages, rows) { if let row { messageRows[row].append(message) } }
    self.messageRows = messageRows
    hiddenCount = rows.count { $0 == nil }
  }
}
