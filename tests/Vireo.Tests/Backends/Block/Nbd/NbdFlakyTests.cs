namespace Vireo.Tests.Backends.Block.Nbd;

/// <summary>A server that drops the connection in place of every eleventh answer: nobody may notice.</summary>
public sealed class NbdFlakyTests : NbdDiskTests
{
    private protected override FakeNbdServer MakeServer(long lengthBytes) => new(lengthBytes) { DropEvery = 11 };
}
