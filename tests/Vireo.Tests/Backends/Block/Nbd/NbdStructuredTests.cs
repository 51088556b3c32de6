namespace Vireo.Tests.Backends.Block.Nbd;

public sealed class NbdStructuredTests : NbdDiskTests
{
    private protected override FakeNbdServer MakeServer(long lengthBytes) => new(lengthBytes);
}
