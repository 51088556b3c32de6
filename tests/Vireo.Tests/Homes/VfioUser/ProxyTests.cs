using Vireo.Core.Spec;
using Vireo.Homes.VhostUser;
using Vireo.Tests.Homes.VhostUser;

namespace Vireo.Tests.Homes.VfioUser;

/// <summary>A device whose queues run in another process, as a function: kicks go there directly, interrupts come through the function.</summary>
public sealed class ProxyTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void BackEndOfVhostUser_IsAFunctionToItsGuest(bool isMsix)
    {
        using VhostUser.HomeUnderTest backEnd = new(new ProbeDevice());
        using HomeUnderTest home = new(VhostUserProxy.Connect(backEnd.Path, DeviceType.Console));
        using Client client = home.Agree();
        using Guest guest = new(client, isMsix);
        guest.Start();

        for (int count = 0; count < 40; count++)
        {
            guest.Echo($"request {count}");
        }

        // Another driver finds a device that begins anew.
        guest.Driver.Reset();
        guest.Ram.Bytes.Clear();
        guest.StartDriver();
        guest.Echo("after a reset");
    }

    [Fact]
    public void NextClient_GoesOnWithTheQueuesOfTheBackEnd()
    {
        using VhostUser.HomeUnderTest backEnd = new(new ProbeDevice());
        using HomeUnderTest home = new(VhostUserProxy.Connect(backEnd.Path, DeviceType.Console));
        using Client client = home.Agree();
        using Guest guest = new(client);
        guest.Start();
        guest.Echo("begun");

        client.Dispose();
        using Client next = home.Agree();
        guest.DriveThrough(next);
        guest.ShareMemory();
        guest.WireInterrupts();

        guest.Echo("the next client's");
    }
}
