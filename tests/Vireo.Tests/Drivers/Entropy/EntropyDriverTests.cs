using Vireo.Devices.Entropy;
using Vireo.Drivers.Entropy;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Drivers.Entropy;

public sealed class EntropyDriverTests
{
    [Fact]
    public void Fill_LongerThanOneRequest_TakesTheDevicesBytesInOrder()
    {
        using LocalLoop loop = new();
        using var driver = EntropyDriver.Open(new EntropyDevice(new CountingEntropy()), new() { Loop = loop.Queues });
        byte[] bytes = new byte[10_000];

        driver.Fill(bytes);

        for (int index = 0; index < bytes.Length; index++)
        {
            Assert.Equal(index % 256, bytes[index]);
        }
    }
}
