import Communication
import Foundation
import Testing
import Training

struct CorpusSearchTests {
  private func find(_ paths: String...) throws -> TextCorpus {
    try LoopbackFabric.run(ranks: 1) { try TextCorpus(paths, over: $0) }[0]
  }

  /// The refusal that a path meets.
  private func refusal(_ paths: String...) -> Refusal? {
    let result = LoopbackFabric(ranks: 2).run { try TextCorpus(paths, over: $0) }
    let refusals = result.map { result -> Refusal? in
      if case .failure(let error) = result { return Refusal(error) }
      return nil
    }
    #expect(refusals[0] == refusals[1], "all ranks refuse alike")
    return refusals[0]
  }

  @Test("a folder is searched in the order of names, without hidden, empty and binary files and links")
  func searchesFolders() throws {
    let folder = try CorpusFolder(texts: [
      "b.txt": "b", "a/z.txt": "z", "a/b/c.txt": "c", "B": "B", ".hidden": "x", ".git/config": "x", "a/.x/y": "x",
      "empty": "", "binary": "x\0y",
    ])
    try FileManager.default.createSymbolicLink(atPath: folder.file("link"), withDestinationPath: folder.file("b.txt"))
    try FileManager.default.createSymbolicLink(atPath: folder.file("a/loop"), withDestinationPath: folder.path)
    let names = try find(folder.path).files.map { String($0.path.dropFirst(folder.path.count + 1)) }
    #expect(names == ["B", "a/b/c.txt", "a/z.txt", "b.txt"])
  }

  @Test("paths keep their order, and a file that is named twice counts once")
  func keepsOrder() throws {
    let folder = try CorpusFolder(texts: ["a": "a", "b": "b", "c": "c"])
    let paths = try find(folder.file("c"), folder.path, folder.file("a")).files.map(\.path)
    #expect(paths == ["c", "a", "b"].map(folder.file))
  }

  @Test("a file is text unless a NUL byte is near its start")
  func seesBinary() throws {
    let far = [UInt8](repeating: UInt8(ascii: "x"), count: 8192)
    let folder = try CorpusFolder(["near": far.dropLast() + [0], "far": far + [0]])
    #expect(try find(folder.file("far")).files[0].byteCount == 8193)
    #expect(refusal(folder.file("near"))?.kind == .invalidData)
  }

  @Test("text that is not UTF-8 is used, with a warning")
  func warns() throws {
    let folder = try CorpusFolder([
      "latin1": Array("na".utf8) + [0xef] + Array("ve".utf8), "cut": Array("caf".utf8) + [0xc3],
      "good": Array("naïve".utf8),
    ])
    #expect(try find(folder.file("good")).warnings.isEmpty)
    let warnings = try find(folder.path).warnings
    #expect(warnings.count == 1)
    #expect(warnings[0].contains("cut and 1 more"))
  }

  @Test("a character on the border of two pieces is whole")
  func checksAcrossPieces() throws {
    let piece = 1 << 20
    for offset in 1...3 {
      let text = [UInt8](repeating: UInt8(ascii: "x"), count: piece - offset) + Array("😀".utf8) + Array("x".utf8)
      let folder = try CorpusFolder(["whole": text, "broken": text.prefix(piece) + Array("x".utf8)])
      #expect(try find(folder.file("whole")).files[0].isUTF8, "\(offset)")
      #expect(try !find(folder.file("broken")).files[0].isUTF8, "\(offset)")
    }
  }

  @Test("a path without text is refused by name, on all ranks alike")
  func refuses() throws {
    let folder = try CorpusFolder(texts: ["empty": "", "binary": "\0", "sub/.hidden": "x"])
    let cases: [(String, Refusal.Kind, String)] = [
      ("absent", .missingInput, "no such file"), ("empty", .invalidData, "empty"), ("binary", .invalidData, "binary"),
      ("sub", .invalidData, "no text"),
    ]
    for (name, kind, words) in cases {
      let refusal = refusal(folder.file(name))
      #expect(refusal?.kind == kind)
      #expect(refusal?.message.contains(folder.file(name)) == true)
      #expect(refusal?.message.contains(words) == true)
    }
    #expect(refusal("/dev/null")?.message.contains("neither") == true)
  }

  @Test(
    "a file that may not be read is refused", .enabled(if: geteuid() != 0, "skipped: root may read everything"))
  func refusesUnreadable() throws {
    let folder = try CorpusFolder(texts: ["secret": "x"])
    try FileManager.default.setAttributes([.posixPermissions: 0], ofItemAtPath: folder.file("secret"))
    #expect(refusal(folder.file("secret"))?.kind == .noPermission)
  }
}
