import Communication
import Foundation
import LanguageModel

extension NumberFault {
  /// The first place among those that ranks have found, in words; nil if none has. Every rank calls it.
  static func first(of own: NumberFault?, over world: any Communicator) throws -> String? {
    let message = try own.map { Array(try JSONEncoder().encode($0)) } ?? []
    let found = try world.allGatherBytes(message).enumerated().compactMap { rank, bytes in
      bytes.isEmpty ? nil : (rank: rank, fault: try JSONDecoder().decode(NumberFault.self, from: Data(bytes)))
    }
    guard let first = found.min(by: { ($0.fault.order, $0.rank) < ($1.fault.order, $1.rank) }) else { return nil }
    return first.fault.place + (first.fault.isOfOneRank ? ", on rank \(first.rank)" : "")
  }
}
