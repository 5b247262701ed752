import Foundation

/// A folder of files that goes away with the test that made it.
final class CorpusFolder: Sendable {
  let path: String

  init(_ files: [String: [UInt8]] = [:]) throws {
    path = FileManager.default.temporaryDirectory.path + "/switchyard-corpus-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    for (name, bytes) in files { try write(name, bytes) }
  }

  convenience init(texts: [String: String]) throws { try self.init(texts.mapValues { Array($0.utf8) }) }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }

  @discardableResult
  func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    let url = URL(fileURLWithPath: file(name))
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: url)
    return file(name)
  }

  func bytes(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: file(name)))) }
}

/// Text made of a few words by a linear congruential generator: lines of prose, now and then an empty one.
enum MadeUpText {
  private static let words = [
    "the", "exchange", "of", "tokens", "hides", "behind", "computation", "when", "experts", "wait", "it's", "1914",
    "naïve", "—", "café", "router,", "rank.", "a", "and", "to",
  ]

  static func make(byteCount: Int, seed: UInt64) -> [UInt8] {
    var state = seed
    func next(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    var text = ""
    while text.utf8.count < byteCount {
      text += words[next(words.count)]
      text += next(12) == 0 ? (next(6) == 0 ? "\n\n" : "\n") : " "
    }
    return Array(text.utf8)
  }
}
