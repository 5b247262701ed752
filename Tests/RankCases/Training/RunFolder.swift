import Communication
import Foundation
import Tensors
import TestSupport
import Topology

/// A folder for one case, the same for all ranks, with a text to train on; gone when the case ends.
final class RunFolder {
  let path: String
  private let isMine: Bool

  /// Makes the folder, and removes it when the body has ended on all ranks. Every rank calls it.
  static func with(_ context: RankContext, _ body: (RunFolder) throws -> Void) throws {
    let folder = try RunFolder(context)
    try body(folder)
    try context.world.barrier()
  }

  private init(_ context: RankContext) throws {
    isMine = context.rank == 0
    let own = FileManager.default.temporaryDirectory.appending(path: "run-\(UUID())").path
    path = String(decoding: try context.world.broadcastBytes(Array(own.utf8), from: Rank(0)), as: UTF8.self)
    if isMine {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      try Self.text(sentenceCount: 600).write(toFile: text, atomically: true, encoding: .utf8)
      try "one line\n".write(toFile: path + "/short.txt", atomically: true, encoding: .utf8)
    }
    try context.world.barrier()
  }

  deinit {
    if isMine { try? FileManager.default.removeItem(atPath: path) }
  }

  /// A text of some 20 kB that has something to learn.
  var text: String { path + "/text.txt" }

  func output(_ name: String) -> String { path + "/" + name }

  /// On one rank, between barriers, so that all see what it did.
  func change(_ context: RankContext, _ body: () throws -> Void) throws {
    try context.world.barrier()
    if isMine { try body() }
    try context.world.barrier()
  }

  static func text(sentenceCount: Int) -> String {
    let random = CounterRandom(seed: 4, stream: "sentences")
    let subjects = ["the cat", "a dog", "my neighbour", "the old captain", "nobody"]
    let verbs = ["sees", "follows", "paints", "forgets", "sells"]
    let objects = ["the moon", "a boat", "three apples", "the letter", "his hat"]
    return (0..<sentenceCount).map { sentence in
      let words = [subjects, verbs, objects].enumerated().map { place, choices in
        choices[random.index(UInt64(sentence * 3 + place), below: choices.count)]
      }
      return words.joined(separator: " ") + ".\n"
    }.joined()
  }
}
