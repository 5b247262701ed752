/// The words of a record that is read.
struct Words {
  private let words: [UInt64]
  var count: Int { words.count }

  init(_ bytes: [UInt8]) throws(RecordError) {
    let most = 8 * RecordLayout.wordCount(rankCount: RecordLayout.mostRanks, capacity: RecordLayout.largestRing)
    guard bytes.count % 8 == 0, bytes.count >= 8 * RecordLayout.frontWordCount, bytes.count <= most else {
      throw RecordError(description: "\(bytes.count) bytes are no record of moe-worker")
    }
    words = stride(from: 0, to: bytes.count, by: 8).map { start in
      (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[start + $1]) << UInt64(8 * $1) }
    }
  }

  subscript(word: Int) -> UInt64 { words[word] }

  func count(_ word: Int, _ range: ClosedRange<Int>, _ what: String) throws(RecordError) -> Int {
    guard let value = Int(exactly: words[word]), range.contains(value) else {
      throw RecordError(description: "\(words[word]) \(what) are no record of moe-worker")
    }
    return value
  }

  /// Zero-terminated text, in one line and without control characters.
  func text(_ range: Range<Int>) -> String { Self.text(range.map { words[$0] }) }

  static func text(_ words: [UInt64]) -> String {
    let bytes = words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) } }
    let text = String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    return String(
      String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
  }

  /// Nil where the words do not belong together.
  var standing: Standing? {
    let (phase, step) = (words[RecordLayout.phase], words[RecordLayout.step])
    let (layer, since) = (words[RecordLayout.layer], words[RecordLayout.activitySince])
    guard words[RecordLayout.activityCheck] == RecordLayout.check(phase, step, layer, since) else { return nil }
    return Standing(phase: Self.text([phase]), step: Self.number(step), layer: Self.number(layer), since: since)
  }

  func wait(rankCount: Int) -> FlightRecord.Wait? {
    let since = words[RecordLayout.waitingSince]
    guard since != 0 else { return nil }
    let count = Int(min(words[RecordLayout.missingCount], UInt64(RecordLayout.missing.count)))
    return FlightRecord.Wait(
      operation: text(RecordLayout.waitText),
      missing: RecordLayout.missing.prefix(count).compactMap { Self.rank(words[$0], rankCount) }, since: since)
  }

  func end(rankCount: Int) -> RecordEnd? {
    guard let kind = RecordEnd.Kind(rawValue: words[RecordLayout.endKind]) else { return nil }
    return RecordEnd(
      kind: kind, code: Int32(truncatingIfNeeded: words[RecordLayout.endCode]), time: words[RecordLayout.endedAt],
      text: text(RecordLayout.endText), blamed: Self.rank(words[RecordLayout.blamedRank], rankCount))
  }

  func losses(rankCount: Int) -> [FlightRecord.Loss] {
    let count = Int(min(words[RecordLayout.lostCount], UInt64(RecordLayout.lost.count / 2)))
    return (0..<count).compactMap { index in
      let word = RecordLayout.lost.lowerBound + 2 * index
      return Self.rank(words[word], rankCount).map { FlightRecord.Loss(rank: $0, time: words[word + 1]) }
    }
  }

  /// The operations whose entry is whole, oldest first, and how many there have been.
  func operations(capacity: Int, rankCount: Int) -> ([Operation], UInt64) {
    let ring = RecordLayout.frontWordCount + 2 * rankCount
    var found: [(number: UInt64, operation: Operation)] = []
    for slot in 0..<capacity {
      let base = ring + slot * RecordLayout.wordsPerOperation
      let entry = words[base..<base + RecordLayout.wordsPerOperation]
      if let operation = Self.operation(Array(entry), rankCount) { found.append((entry[base], operation)) }
    }
    found.sort { $0.number < $1.number }
    return (found.map(\.operation), words[RecordLayout.operationCount])
  }

  private static func operation(_ entry: [UInt64], _ rankCount: Int) -> Operation? {
    guard entry[0] != 0, let kind = Operation.Kind(rawValue: entry[2] & 0xff),
      entry[6] == RecordLayout.check(entry[0], entry[1], entry[2], entry[3], entry[4], entry[5])
    else { return nil }
    var operation = Operation(kind: kind, time: entry[1])
    switch kind {
    case .activity:
      operation.phase = text([entry[3]])
      (operation.step, operation.layer) = (number(entry[4]), number(entry[5]))
    case .sent, .received:
      operation.peer = rank(entry[2] >> 8, rankCount)
      operation.byteCount = Int(truncatingIfNeeded: entry[3] & 0xffff_ffff_ffff)
      operation.tag = Int(truncatingIfNeeded: entry[4] & 0xffff_ffff)
      operation.messageNumber = Int(truncatingIfNeeded: entry[5] & 0xffff_ffff_ffff)
    case .waiting, .resumed: break
    }
    return operation
  }

  /// A step or layer; nil for none.
  private static func number(_ word: UInt64) -> Int? { word <= 0xffff_ffff_ffff ? Int(word) : nil }

  private static func rank(_ word: UInt64, _ rankCount: Int) -> Int? {
    Int(exactly: word).flatMap { $0 < rankCount ? $0 : nil }
  }
}
