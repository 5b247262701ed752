import Foundation
import FoundationXML
import Testing
import Tracing

/// Pictures of good traces.
@Suite(.serialized) struct TimelineCommandTests {
  private static let site = TraceSite(step: 0, layer: 3, pass: .backward)

  private static func event(
    _ kind: TraceKind, _ start: Int64, _ end: Int64, _ details: TraceDetails = TraceDetails()
  ) -> TraceEvent {
    TraceEvent(kind, start: start * 1_000, duration: (end - start) * 1_000, site: site, details: details)
  }

  private static let ranks = [
    RankTrace(
      rank: 0, host: "a<b>&\"'\u{1}",
      events: [
        event(.ownRows, 0, 400), event(.remoteRows, 400, 1_000, TraceDetails(peer: 1, expert: 5)),
        event(.dispatch, 0, 500, TraceDetails(direction: .sent, peer: 1)),
        event(.dispatch, 250, 600, TraceDetails(direction: .received, peer: 1)),
        event(.results, 500, 1_000, TraceDetails(direction: .sent, peer: 1)),
      ]),
    RankTrace(rank: 1, host: "beta", events: [event(.weightGradients, 0, 1_000)]),
  ]

  private func picture(of ranks: [RankTrace], jobRanks: Int = 1) throws -> Picture {
    let folder = try Folder()
    let path = try folder.write("trace.json", ChromeTrace(ranks).text)
    let outcome = try Program.run(["timeline", path], ranks: jobRanks)
    #expect(outcome.exitCode == 0 && outcome.errors.isEmpty, "\(outcome)")
    #expect(outcome.output == "wrote \(folder.file("trace.svg"))\n")
    #expect(try folder.contents().keys.sorted() == ["trace.json", "trace.svg"])
    return try Picture(try folder.text("trace.svg"))
  }

  @Test(arguments: [1, 3]) func everyEventIsWhereItBelongs(jobRanks: Int) throws {
    let picture = try picture(of: Self.ranks, jobRanks: jobRanks)
    let own = try picture.one("ownRows")
    let remote = try picture.one("remoteRows")
    let gradients = try picture.one("weightGradients")
    #expect(abs(own.x - gradients.x) < 0.02 && abs(own.width - 0.4 * gradients.width) < 0.02)
    #expect(abs(own.x + own.width - remote.x) < 0.02 && abs(remote.width - 0.6 * gradients.width) < 0.02)
    #expect(own.y == remote.y && gradients.y > own.y)
    #expect(remote.tooltip == "remote rows · of rank 1 · expert 5 · step 0 · layer 3 backward · 0.600 ms")
    #expect(picture.texts.contains("layer 3 backward"))
  }

  @Test func messagesThatOverlapLieInDifferentRows() throws {
    let picture = try picture(of: Self.ranks)
    let sent = try picture.one("dispatch")
    let received = try picture.one("dispatch received")
    let results = try picture.one("results")
    #expect(sent.y != received.y && results.y == sent.y)
    #expect(received.x > sent.x && abs(results.x - sent.x - sent.width) < 0.02)
  }

  @Test func namesAreEscaped() throws {
    let texts = try picture(of: Self.ranks).texts
    #expect(texts.contains("a<b>&\"'?") && texts.contains("beta"), "\(texts)")
  }

  @Test func thePictureNeedsNothingElse() throws {
    let text = try picture(of: Self.ranks).source
    for outside in ["<script", "href", "url(", "@import", "<image", "<foreignObject", "DOCTYPE"] {
      #expect(!text.contains(outside), "\(outside)")
    }
    #expect(text.components(separatedBy: "http").count == 2, "only the namespace is an address")
  }

  @Test func manyEventsAndRanksGiveASmallPicture() throws {
    let tasks = (0..<50_000).map { Self.event(.ownRows, $0 * 2, $0 * 2 + 1) }
    let messages = (0..<200).map { Self.event(.dispatch, $0, 100_000) }
    var ranks = [RankTrace(rank: 0, host: "alpha", events: tasks + messages)]
    ranks += (1..<100).map { RankTrace(rank: $0, host: "beta", events: [Self.event(.ownRows, 0, 1)]) }
    let picture = try picture(of: ranks)
    #expect(picture.source.utf8.count < 2_000_000)
    #expect(picture.texts.contains("+ 188 not drawn"))
    #expect(picture.texts.contains("rank 63") && !picture.texts.contains("rank 64"))
  }

  @Test func aSingleMomentIsDrawn() throws {
    let picture = try picture(of: [RankTrace(rank: 0, host: "alpha", events: [Self.event(.ownRows, 7, 7)])])
    #expect(try picture.one("ownRows").width > 0)
  }

  @Test func aPictureThatIsNamedIsReplaced() throws {
    let folder = try Folder()
    let trace = try folder.write("trace", ChromeTrace(Self.ranks).text)
    let old = try folder.write("old.svg", "old")
    let outcome = try Program.run(["timeline", trace, "--output", old])
    #expect(outcome.exitCode == 0 && outcome.output == "wrote \(old)\n", "\(outcome)")
    #expect(try Picture(try folder.text("old.svg")).texts.contains("rank 0"))
  }
}

/// An SVG document taken apart.
private final class Picture: NSObject, XMLParserDelegate {
  struct Rectangle {
    let x, y, width: Double
    let kind: String
    fileprivate(set) var tooltip = ""
  }

  let source: String
  private(set) var rectangles: [Rectangle] = []
  private(set) var texts: [String] = []
  private var characters = ""

  init(_ source: String) throws {
    self.source = source
    super.init()
    let parser = XMLParser(data: Data(source.utf8))
    parser.delegate = self
    try #require(parser.parse(), "\(parser.parserError.map(String.init(describing:)) ?? "no XML")")
  }

  /// The one event that is drawn with these classes; squares of the legend have no tooltip.
  func one(_ kind: String) throws -> Rectangle {
    let found = rectangles.filter { $0.kind == kind && !$0.tooltip.isEmpty }
    try #require(found.count == 1, "\(found)")
    return found[0]
  }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
    attributes: [String: String]
  ) {
    characters = ""
    guard name == "rect" else { return }
    let numbers = ["x", "y", "width"].map { attributes[$0].flatMap(Double.init) ?? .nan }
    rectangles.append(
      Rectangle(x: numbers[0], y: numbers[1], width: numbers[2], kind: attributes["class"] ?? ""))
  }

  func parser(_ parser: XMLParser, foundCharacters text: String) { characters += text }

  func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
    if name == "text" { texts.append(characters) }
    if name == "title" { rectangles[rectangles.count - 1].tooltip = characters }
  }
}
