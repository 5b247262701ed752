import Checkpoints
import Communication
import Testing
import Topology
import Training

struct CorpusComparisonTests {
  /// What ranks say whose hosts have these files.
  private func refusals(_ hosts: [[String: String]]) throws -> [Refusal?] {
    let folders = try hosts.map { try CorpusFolder(texts: $0) }
    return LoopbackFabric(ranks: hosts.count).run { world in
      try TextCorpus(["/"], over: world, files: HostFiles(root: folders[world.rank.index].path))
    }.map { result in
      if case .failure(let error) = result { return Refusal(error) }
      return nil
    }
  }

  @Test("hosts with the same files go on", arguments: 1...4)
  func same(ranks: Int) throws {
    let files = ["a": "one", "b/c": "two"]
    #expect(try refusals(Array(repeating: files, count: ranks)) == Array(repeating: nil, count: ranks))
  }

  @Test("the first difference is named, on all ranks alike")
  func differs() throws {
    let files = ["a": "one", "b": "two"]
    let cases: [([String: String], String)] = [
      (["a": "one", "b": "twO"], "/b has other content"), (["a": "one!", "b": "twO"], "/a has 4 bytes, on rank 0 3"),
      (["a": "one"], "only rank 0 has /b"), (["a": "one", "b": "two", "c": "three"], "only rank 2 has /c"),
      (["a": "one", "bb": "two"], "rank 0 has /b where rank 2 has /bb"),
    ]
    for (other, words) in cases {
      let refusals = try refusals([files, files, other, files])
      for refusal in refusals {
        #expect(refusal?.kind == .hostDiffers)
        #expect(refusal?.message.contains("the corpus of rank 2") == true)
        #expect(refusal?.message.contains(words) == true, "\(refusal?.message ?? "")")
      }
    }
  }

  @Test("a host without the files is named")
  func missing() throws {
    for refusal in try refusals([["a": "one"], [:]]) {
      #expect(refusal?.kind == .invalidData)
      #expect(refusal?.message.hasPrefix("rank 1: ") == true)
    }
  }
}
