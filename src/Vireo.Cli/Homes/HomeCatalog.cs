using System.CommandLine;

namespace Vireo.Cli.Homes;

/// <summary>Every home the command line knows.</summary>
internal static class HomeCatalog
{
    /// <summary>Makes one choice of each home, for one command, and adds their options to it.</summary>
    public static IReadOnlyList<HomeChoice> AddAllTo(Command command)
    {
        SocketOptions socket = new();
        IReadOnlyList<HomeChoice> homes = [new VhostUserChoice(socket), new VfioUserChoice(socket), new VduseChoice()];
        foreach (HomeChoice home in homes)
        {
            home.AddTo(command);
        }

        socket.AddTo(command);
        return homes;
    }
}
